"""In which other forms can a rule be learned?"""
