"""What every method that learns shares; PyTorch from here on.

fit.py      the training loop, and seeds that touch nothing outside it
export.py   a network and its card → a model folder: ONNX, card, parity, proved equal to PyTorch
"""
