"""What the path costs and how near it comes to the hardware's limit, as ratios in one run: `make bench`.

__main__.py      choose the measures, run them, show the rows and write bench/latest.json
row.py           one row, and how much is measured
radiographs.py   the fixed input: 3 megapixels, 16 bits, uncompressed and JPEG 2000
models.py        models that cost nothing, and models of real size, released as any other
place.py         a stack of the benchmark's own, senders, outcomes, processor time and memory of its parts

processor_time.py   milliseconds of processor an image outside the models, by part
accept_time.py      milliseconds of processor that each step of accept takes
ceiling.py          images/s with models that cost nothing, against decoding alone
real_models.py      images/s and idle latency with models of real size, against bare ONNX Runtime
two_workers.py      two workers of a stage against one
c_store.py          files/s at the C-STORE door, against dcmtk and Orthanc
empty_stage.py      records/s of a stage that does nothing, against Kafka without transactions
bus_bytes.py        bytes on the bus an image
memory.py           memory of each process over many images, against its own beginning
copying.py          records through a stage of which two_workers.py and empty_stage.py want to know how fast it is
worker.py           a process of that stage
"""
