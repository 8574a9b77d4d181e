"""The methods that learn; PyTorch lives here.

methods.py     the table of all methods
harmonize/     one file a method: images of a site → images of the reference
classify/      one file a method: harmonized image → is the fracture atypical?
training_set.py  digital patients → arrays at the reference geometry, rendered once and kept
commands.py    `osteon harmonizer …` and `osteon classifier …`
"""
