"""Radiographs: from DICOM to an array with spacing, to one reference geometry, and back to DICOM.

image.py            what an image is here: axes, units, bone bright
dicom.py            any DICOM object to an `Image`, or set aside for a stated reason
bytes_to_dataset.py bytes to a pydicom dataset, guarded against bombs and truncation
stored_pixels.py    the decoded stored values of any transfer syntax, and their hash
codestream.py       what a compressed stream says about itself, read before it is decoded
grayscale.py        stored values to bone bright: padding, shutter, modality and VOI LUT, photometric
derived.py          an `Image` back to a conforming derived DICOM object
geometry.py         long axis vertical, one spacing, one size
intensity.py        foreground and the landmarks of its histogram
"""
