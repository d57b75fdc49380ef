"""What did a run or a rule become?"""
