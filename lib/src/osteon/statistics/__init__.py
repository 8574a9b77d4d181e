"""Measures and their uncertainty; no PyTorch.

binary.py   a score for two classes: AUC with its interval, Platt scaling, operating point
"""
