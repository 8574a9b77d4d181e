"""The digital cohort: radiographs of femurs that nobody ever had, made from one seed.

seeds.py        a random generator for each patient and image, the same in any order
patient.py      a patient drawn by number and label, of the parts that follow
population.py   age, sex, build, bone loss
femur.py        the measures of a femur in mm; bone.py: what they come to as solids
fracture.py     features drawn by label, made into the surfaces and pieces of breakage.py
criteria.py     which fracture is atypical, and readers who say so
mimics.py       canals, callus, folds, casts, implants; neighbours.py: hip and knee; tissue.py: muscle, fat, skin
solids.py       chords through sections, ellipsoids and tubes; rays.py: through a broken bone
spongy.py       trabeculae; texture.py: their noise; soft.py: muscle and fat on each ray
projection.py   patient + view + pose → thickness maps in mm, masks, axis
chest.py        a crude thorax, for what lies outside the scope of a femur model
tabulate.py     tables of spectra and attenuation, made by SpekPy and xraydb
attenuation.py  what a millimetre of each material takes out of a beam
spectrum.py     the spectrum of a tube, and the few energies that stand for it
scanner.py      a scanner on six axes, one knob each; the reference scanner
xray.py         thickness maps → detector signal: attenuation, scatter, blur, noise
processing.py   detector signal → tones: what a vendor makes of an exposure
marks.py        blades, side markers, burnt-in letters
families.py     what one vendor's scanners have in common
sites.py        72 hospitals, their rooms, protocols, and new equipment
exposure.py     thickness maps + site + room → stored pixels; the noise-free image at the reference site
radiograph.py   one exposure as a DICOM object
encoding.py     stored pixels → the transfer syntax of a site
presets.py      which cohorts there are, by number, label and purpose
plan.py         who is imaged where and when: the rows of a cohort, without making an image
register.py     what registers know of the patients: dated diagnoses, drugs, operations
render.py       one row of a plan → its image and its truth
make.py         a plan → files, tables and a card
stream.py       a plan → samples, without files
subject.py      a row of a plan → whom the register knows
commands.py     `osteon cohort make`
specimen.py     one radiograph by patient and site, for demonstration, tests and benchmarks
cohort.py       a folder of files, sound and broken, with a manifest of what each should come to

The cohort shows that the machinery works. It is never evidence about patients.
"""
