"""Data sets whose folders and photos have names that could mean two things."""

from __future__ import annotations

from tests.core.data.wild import CAT_DOG, VEHICLES, Maker, case


@case(refused="No labels were found")
def photos_called_by_numbers(m: Maker) -> None:
    m.put(*(f"{i}.jpg" for i in range(1, 121)))


@case(refused="No labels were found")
def photos_called_by_the_time(m: Maker) -> None:
    m.put(*(f"{1690000000 + 997 * i}.jpg" for i in range(60)))


@case(refused="No labels were found")
def years_of_numbered_photos(m: Maker) -> None:
    m.many("{v}/{i}.jpg", ("2023", "2024"), 120)


@case(refused="No labels were found")
def numbers_before_and_after(m: Maker) -> None:
    m.put(*(f"{i % 3}_{i}.jpg" for i in range(60)))


@case(classes=("0", "1", "2", "3"), reasons=["less likely (a score of 0.70, not 0.80)", "alice, bob"])
def digits_of_each_writer(m: Maker) -> None:
    m.put(*(f"{v}/{k}/{i}.jpg" for v in ("alice", "bob") for k in range(4) for i in range(5)))


@case(classes=("grade_0", "grade_1", "grade_2"), reasons=["Berlin, Paris, Rome"])
def grades_in_each_hospital(m: Maker) -> None:
    places = [(v, k) for v in ("Berlin", "Paris", "Rome") for k in range(3) if (v, k) != ("Rome", 2)]
    m.put(*(f"{v}/grade_{k}/{i}.jpg" for v, k in places for i in range(5)))


@case(classes=("left", "right"), reasons=["healthy, sick"])
def two_names_that_cross_two(m: Maker) -> None:
    for v in ("healthy", "sick"):
        m.many(f"{v}/{{v}}/{{i}}.jpg", ("left", "right"), 8)


@case(classes=("benign", "malignant"), reasons=["patient_1, patient_2"])
def patients_numbered_anew_in_each_class(m: Maker) -> None:
    m.put(*(f"{v}/patient_{1 + i // 5}/{i}.jpg" for v in ("benign", "malignant") for i in range(15)))


@case(classes=CAT_DOG)
def visits_numbered_anew_beside_photos_of_each_class(m: Maker) -> None:
    m.put(*(f"{v}/{i}.jpg" for v in CAT_DOG for i in range(4)))
    m.put(*(f"{v}/s{k:03}/{i}.jpg" for v in CAT_DOG for k in range(51) for i in range(2)))


@case(classes=("car", "plane", "train"), valid=9, told=["test is used"], reasons=["'train' is one of them"])
def a_class_called_train_beside_two(m: Maker) -> None:
    m.many("train/{v}/{i}.jpg", ("car", "plane", "train"), 12)
    m.many("test/{v}/{i}.jpg", ("car", "plane", "train"), 3)


@case(classes=VEHICLES, valid=12, reasons=["'train' is one of them"])
def a_class_called_train_in_sides_with_affixes(m: Maker) -> None:
    m.many("seg_train/{v}/{i}.jpg", VEHICLES, 12)
    m.many("seg_test/{v}/{i}.jpg", VEHICLES, 3)


@case(classes=("designer", "dev", "manager"), reasons=["'dev' is one of them"])
def a_class_called_dev(m: Maker) -> None:
    m.many("{v}/{i}.jpg", ("designer", "dev", "manager"))


@case(classes=("cooked", "raw"), reasons=["'raw' is one of them"])
def a_class_called_raw(m: Maker) -> None:
    m.many("{v}/{i}.jpg", ("cooked", "raw"))


@case(classes=("cartoon", "photo", "sketch"), valid=9, reasons=["'photo' is one of them"])
def a_class_called_photo_on_both_sides(m: Maker) -> None:
    m.many("train/{v}/{i}.jpg", ("cartoon", "photo", "sketch"), 12)
    m.many("val/{v}/{i}.jpg", ("cartoon", "photo", "sketch"), 3)


@case(classes=("mask", "no_mask"))
def a_class_called_mask(m: Maker) -> None:
    m.many("data/{v}/{i}.jpg", ("mask", "no_mask"))


@case(classes=CAT_DOG, told=["15 photos are by name a mask"])
def photos_beside_annotations(m: Maker) -> None:
    m.put(*(f"photos/{CAT_DOG[i % 2]}_{i}.jpg" for i in range(15)))
    m.put(*(f"annotations/{CAT_DOG[i % 2]}_{i}.png" for i in range(15)))


@case(classes=CAT_DOG)
def originals_below_each_class(m: Maker) -> None:
    m.put(*(f"{v}/{d}/{i}.jpg" for v in CAT_DOG for d in ("raw", "pictures") for i in range(8)))


@case(classes=CAT_DOG, valid=6, reasons=["which say the split too: cat, dog"])
def classes_and_sides_in_one_name(m: Maker) -> None:
    m.many("{v}_train/{i}.jpg", CAT_DOG, 12)
    m.many("{v}_test/{i}.jpg", CAT_DOG, 3)


@case(classes=("big cat", "dog"), valid=6)
def sides_and_classes_in_one_name(m: Maker) -> None:
    m.many("set/train_{v}/{i}.jpg", ("big cat", "dog"), 12)
    m.many("set/Val_{v}/{i}.jpg", ("big cat", "dog"), 3)


@case(classes=("bird", "cat", "dog"), reasons=["dog in another of them is the label of its photos"])
def one_photo_in_a_class_in_a_class(m: Maker) -> None:
    m.many("{v}/{i}.jpg", ("bird", "cat", "dog"), 30)
    m.put("cat/dog/1.jpg")


@case(classes=CAT_DOG)
def many_days_beside_photos_of_each_class(m: Maker) -> None:
    m.many("{v}/{i}.jpg", CAT_DOG, 6)
    m.put(*(f"{v}/2023-{1 + k // 20:02}-{1 + k % 20:02}/{k}.jpg" for v in CAT_DOG for k in range(60)))


@case(classes=("0", "1"))
def a_table_of_predictions(m: Maker) -> None:
    m.put(*(f"{i}.jpg" for i in range(30)))
    m.write("l.csv", "file,prediction\n" + "".join(f"{i}.jpg,{i % 2}\n" for i in range(30)))


@case(classes=CAT_DOG, told=["the label 'cat' joins the folders of that name in 'edited', 'raw'"])
def classes_below_raw_and_another_word(m: Maker) -> None:
    m.put(*(f"{v}/{c}/{i}.jpg" for v in ("raw", "edited") for c in CAT_DOG for i in range(9)))


@case(classes=CAT_DOG)
def a_folder_of_extra_photos_beside_train(m: Maker) -> None:
    m.put(*(f"{v}/{c}_{i}.jpg" for v in ("train", "extra") for c in CAT_DOG for i in range(9)))


@case(refused="No labels were found")
def names_of_places_in_a_picture(m: Maker) -> None:
    m.put(*(f"10253_idx5_x{i}_y1_class{c}.png" for i in range(30) for c in (0, 1)))


@case(classes=CAT_DOG, at="photos.zip", reasons=["which say the split too: cat, dog"])
def sides_and_classes_in_one_name_in_a_zip(m: Maker) -> None:
    m.pack([f"{side}-{v}/{i}.jpg" for v in CAT_DOG for side in ("train", "test") for i in range(7)])
