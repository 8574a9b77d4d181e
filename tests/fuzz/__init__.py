"""Fuzz the parsers of the path: wild input in, and each input must come to an outcome. `make fuzz` runs all of it.

    __main__.py          the command
    ledger.py            what became of each input, kept so that a run can go on; findings, saved by number

Files, through door, accept, de-identify, image and reference geometry
    seeds.py             sound files that the mutations start from
    draft.py             a file as parts that can be changed one by one
    mutate.py            the table of mutations; an input follows from seed and number alone
    mutate_elements.py   tags, VRs, lengths, values, sequences, nesting
    mutate_pixels.py     pixel module, fragments, offset tables, codestreams, bombs
    mutate_bytes.py      flips, cuts, splices, file meta
    path.py              one file through the path, and the promises that it must keep
    worker.py            a subprocess that works inputs, limited in memory
    files.py             the parent of the workers, which counts who died or hung

Doors and bus
    doors.py             mutated requests at a door, and how it stands afterwards
    door.py              a real door as a process, with a store and a bus that tell what is safe
    stow.py              mutated STOW-RS requests
    dimse.py             mutated PDUs
    records.py           mutated records into the stages' topics, and into the console
"""
