"""Ingest: DICOM objects come in by several doors, and go on without identifiers.

At the door
    doors.py            the ports, and the processes behind them
    locks.py            what they ask of those who come
    receive_dimse.py    C-STORE
    commit_storage.py   storage commitment: what is asked, and what was promised
                        report_commitments.py sends the result to an address,
                        report_in_place.py on the association of the request
                        guard_association.py bounds an association, whatever its peer sends
                        call_pacs.py opens associations; pacs_commands.py is `osteon pacs echo`
    receive_stow.py     STOW-RS; multipart.py splits its bodies, guard_connection.py bounds its headers
    receive_folder.py   a watched folder
    receive.py          what all doors do: seal into the inbox, announce, then say success
    receipts.py         what was promised, one small object for each image
    outage.py           what is known to be away, so that nobody waits to hear it
    peek.py             the UIDs of an object, from its first bytes
    sweep.py            announces what a receiver that died left behind
    conformance.py      what the doors do, as the tables of the DICOM conformance statement

Behind it
    accept.py           the stage: duplicate, conflict, or new
    examine.py          one object: refused, or read, de-identified and freed of burnt-in text
    deidentify.py       PS3.15 Basic Profile: every sequence is walked; coverage.py says how well
    profile.py          what is done with each attribute, from the standard's own table (tables/)
    clean.py            what of a value may stay
    burnt_in.py         text burnt into the picture; read_text.py tells it from bone; measure_burnt_in.py says how well
    repack.py           pixels put back with nothing hidden beside them
    vault.py            who it was, for those who may know

When a patient asks
    forget.py           their objects are deleted, accept and the console told; traces.py finds what there is,
                        underway.py waits for what stages have before them or in hand
    commands.py         `osteon patient forget`

When the inbox grows
    prune.py            originals that nobody needs any more are deleted; needs.py says which are kept, and why
    inbox_commands.py   `osteon inbox prune`

Both
    identity.py         names under the site's key
    seal.py             encryption that gives the same for the same
    settings.py         every setting, with unit and default
"""
