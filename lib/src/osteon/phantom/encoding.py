"""A dataset → the bytes of a DICOM file in a transfer syntax, always without loss."""

import io

import gdcm
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEG2000Lossless, JPEGLosslessSV1, RLELossless

__all__ = ["encoded"]


def encoded(dataset: Dataset, transfer_syntax: str) -> bytes:
    """The dataset, which holds uncompressed pixels in explicit little endian, as a file in a transfer syntax.

    The dataset itself is changed. pydicom encodes RLE and JPEG 2000; for JPEG Lossless it has no encoder, so GDCM
    does that.
    """
    if transfer_syntax in (RLELossless, JPEG2000Lossless):
        # GDCM's RLE encoder, pydicom's first choice, was seen to end the process on small images.
        plugin = "pylibjpeg" if transfer_syntax == RLELossless else ""
        dataset.compress(UID(transfer_syntax), encoding_plugin=plugin, generate_instance_uid=False)
    elif transfer_syntax == JPEGLosslessSV1:
        dataset.PixelData = encapsulate([_jpeg_lossless(dataset)])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _jpeg_lossless(dataset: Dataset) -> bytes:
    """The pixels as one JPEG Lossless stream (process 14, selection value 1).

    Raises RuntimeError if GDCM won't encode them.
    """
    writer = gdcm.ImageWriter()  # GDCM ties the life of its image to the writer's
    image = writer.GetImage()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((dataset.Columns, dataset.Rows, 1))
    interpretation = gdcm.PhotometricInterpretation.GetPIType(dataset.PhotometricInterpretation)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(interpretation))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ExplicitVRLittleEndian))
    image.SetPixelFormat(gdcm.PixelFormat(1, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, 0))
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetByteStringValue(dataset.PixelData)
    image.SetDataElement(element)
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(image)
    if not change.Change():
        raise RuntimeError(f"GDCM can't encode {dataset.Rows} x {dataset.Columns} pixels as JPEG Lossless")
    fragments = change.GetOutput().GetDataElement().GetSequenceOfFragments()
    pieces = (fragments.GetFragment(n).GetByteValue().GetBuffer() for n in range(fragments.GetNumberOfFragments()))
    return b"".join(piece.encode("utf-8", "surrogateescape") for piece in pieces)
