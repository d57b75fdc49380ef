"""What does a neuron compute?"""
