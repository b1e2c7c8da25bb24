"""Tables as people have them: more cases for the tests of data sets, each one example of a kind."""

from __future__ import annotations

from tests.core.data.wild import BREEDS, CAT_DOG, PHOTOS, Maker, case


def _rows(n: int, row: str, head: str = "file,label") -> str:
    lines = (row.format(i=i, v=CAT_DOG[i % 2], on=[int(i % 4 == k) for k in range(4)]) for i in range(n))
    return "\n".join([head, *lines]) + "\n"


@case(classes=CAT_DOG, counts=(10, 10), told=["20 rows have no label"])
def a_column_a_class_and_rows_that_mark_none(m: Maker) -> None:
    m.put(*(f"{i}.jpg" for i in range(40)))
    m.write("labels.csv", _rows(40, "{i}.jpg,{on[0]},{on[1]}", "file,cat,dog"))


@case(refused="have one label; one more is needed beside 'Male'")
def attributes_of_which_one_is_marked(m: Maker) -> None:
    m.put(*(f"{i}.jpg" for i in range(40)))
    rows = "".join(f"{i}.jpg,{(-1, 1)[i % 2]},-1,-1\n" for i in range(40))
    m.write("labels.csv", "image_id,Male,Smiling,Young\n" + rows)


@case(classes=CAT_DOG, counts=(20, 20))
def texts_beside_attributes(m: Maker) -> None:
    m.put(*(f"{i}.jpg" for i in range(40)))
    m.write("labels.csv", _rows(40, "{i}.jpg,{on[0]},{on[1]},{v}", "file,indoor,flash,what"))


@case(classes=("mel", "nv"), reasons=["the column 'dx'", "it could be dx_type too"])
def a_longer_name_before_the_labels(m: Maker) -> None:
    m.put(*(f"{i}.jpg" for i in range(30)))
    rows = "".join(f"{i},{('histo', 'follow_up')[i % 3 > 0]},{('mel', 'nv')[i % 2]}\n" for i in range(30))
    m.write("meta.csv", "image_id,dx_type,dx\n" + rows)


@case(classes=CAT_DOG, reasons=["labels from the folders"])
def folders_of_classes_and_a_table_of_another_type(m: Maker) -> None:
    m.many("{v}/{v}_{i}.jpg", CAT_DOG)
    rows = "".join(f"{v}_{i}.jpg,{('scan', 'phone')[i % 2]},2020\n" for v in CAT_DOG for i in range(PHOTOS))
    m.write("meta.csv", "file,image_type,year\n" + rows)


@case(classes=CAT_DOG, valid=10, told=["in neither training nor validation", "test is used for validation"])
def a_split_with_a_value_that_is_no_side(m: Maker) -> None:
    m.put(*(f"{i}.jpg" for i in range(30)))
    rows = "".join(f"{i}.jpg,{('train', 'test', 'extra')[i % 3]},{CAT_DOG[i % 2]}\n" for i in range(30))
    m.write("meta.csv", "file,split,animal\n" + rows)


@case(refused="beside set, which tells how photos are split")
def a_split_and_no_labels(m: Maker) -> None:
    m.put(*(f"{i}.jpg" for i in range(30)))
    m.write("meta.csv", "file,set\n" + "".join(f"{i}.jpg,{('a', 'b', 'c')[i % 3]}\n" for i in range(30)))


@case(classes=CAT_DOG, told=["10 rows of labels.csv have no photo"])
def a_split_whose_validation_photos_are_not_there(m: Maker) -> None:
    m.put(*(f"train/{i}.jpg" for i in range(20)))
    rows = "".join(f"{i}.jpg,{('train', 'test')[i > 19]},{CAT_DOG[i % 2]}\n" for i in range(30))
    m.write("labels.csv", "file,split,label\n" + rows)


@case(classes=CAT_DOG, counts=(10, 10), told=["test/3.jpg: 'labels.csv' lists photos in 'images', where this one is"])
def numbers_that_begin_anew_in_a_test_folder_alone(m: Maker) -> None:
    m.put(*(f"{side}/{i}.jpg" for side in ("images", "test") for i in range(20)))
    m.write("labels.csv", _rows(20, "{i}.jpg,{v}"))


@case(refused="labels.csv names photos in several folders of 'test', 'train_1', 'train_2' alike")
def numbers_that_begin_anew_in_each_of_several_folders(m: Maker) -> None:
    m.put(*(f"{side}/{i}.jpg" for side in ("train_1", "train_2", "test") for i in range(10)))
    m.write("labels.csv", _rows(10, "{i}.jpg,{v}"))


@case(classes=CAT_DOG, told=["a/0.csv: "])
def a_table_for_each_photo_before_that_of_all(m: Maker) -> None:
    m.put(*(f"{i}.jpg" for i in range(60)))
    for i in range(60):
        m.write(f"a/{i}.csv", f"file,x,y\n{i}.jpg,1,2\n")
    m.write("labels.csv", _rows(60, "{i}.jpg,{v}"))


@case(classes=CAT_DOG, told=["1 row of labels.csv has no photo"])
def table_without_header_or_its_first_photo(m: Maker) -> None:
    m.put(*(f"{i:03}.jpg" for i in range(1, 30)))
    m.write("labels.csv", _rows(30, "{i:03},{v}", "").lstrip())


@case(classes=BREEDS)
def table_with_long_texts(m: Maker) -> None:
    m.table(f"{'long ' * 80}é,{{n}},{{b}}", "caption,file,breed")


@case(classes=("狗", "猫"), told=["labels.csv is not in UTF-8 and was read as gb18030; set labeller.encoding"])
def table_of_china(m: Maker) -> None:
    m.put(*(f"{i}.jpg" for i in range(20)))
    m.write("labels.csv", "文件,标签\n" + "".join(f"{i}.jpg,{'猫狗'[i % 2]}\n" for i in range(20)), "gbk")


@case(classes=("柴犬", "猫"), told=["read as cp932"])
def table_of_japan(m: Maker) -> None:
    m.put(*(f"{i}.jpg" for i in range(20)))
    rows = "".join(f"{i}.jpg,{('柴犬', '猫')[i % 2]}\n" for i in range(20))
    m.write("labels.csv", "ファイル,ラベル\n" + rows, "cp932")


@case(classes=("кот", "собака"), told=["read as cp1251"])
def table_of_russia(m: Maker) -> None:
    m.put(*(f"{i}.jpg" for i in range(20)))
    rows = "".join(f"{i}.jpg;{('кот', 'собака')[i % 2]}\n" for i in range(20))
    m.write("labels.csv", "файл;порода\n" + rows, "cp1251")


@case(classes=CAT_DOG, told=["read as cp1252"])
def table_with_signs_of_word_processors(m: Maker) -> None:
    m.put(*(f"{i}.jpg" for i in range(20)))
    m.write(
        "labels.csv", _rows(20, "{i}.jpg,{v},it\u2019s 20\u00b0C \u2013 3\u20135 m\u00b2", "file,animal,note"), "cp1252"
    )


@case(classes=CAT_DOG, at="photos.zip", told=["1 file is left out", "data/rabbit: an empty folder"])
def zip_with_folders_after_their_photos(m: Maker) -> None:
    m.pack(
        [*(f"data/{v}/{i}.jpg" for v in CAT_DOG for i in range(8)), "data/cat/", "data/", "data/rabbit/", "data/dog/"]
    )


@case(classes=("chèvre", "zèbre"), at="photos.zip", told=["read as cp437"])
def zip_of_france(m: Maker) -> None:
    m.pack([f"{v}/{i}.jpg" for v in ("chèvre", "zèbre") for i in range(PHOTOS)], "cp850")


@case(classes=[f"kind {i:02}" for i in range(30)], reasons=["the column 'label'"])
def table_of_labels_that_hardly_repeat(m: Maker) -> None:
    m.put(*(f"{i}.jpg" for i in range(33)))
    m.write("labels.csv", "file,label\n" + "".join(f"{i}.jpg,kind {i % 30:02}\n" for i in range(33)))
