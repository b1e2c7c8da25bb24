"""Data sets as people have them: each is one example of a kind that was reported for other tools."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

PHOTOS = 15  # of each class
BREEDS = ("Abyssinian", "Bengal", "Sphynx", "pug")


@dataclass(frozen=True)
class Expected:
    """Classes, how many photos are for validation where the data says so, and facts that must be told by the check."""

    classes: Sequence[str] = ()
    counts: Sequence[int] = ()  # of the classes in alphabetical order
    valid: int | None = None
    told: Sequence[str] = ()
    reasons: Sequence[str] = ()  # that `new` gives
    refused: str = ""  # a part of the sentence
    at: str = ""  # what is opened, in the folder


class Maker:
    """Writes photos, the first 60 each with another content, and tables into a folder."""

    def __init__(self, folder: Path, photos: Sequence[bytes]) -> None:
        self.folder, self.photos, self.used = folder, list(photos), 0

    def put(self, *paths: str, first: int | None = None) -> None:
        """A photo at each path; those after `first` of all photos, else ones that were not used."""
        for i, path in enumerate(paths):
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            at = self.used + i if first is None else first + i
            target.write_bytes(self.photos[at % len(self.photos)])
        self.used += len(paths) if first is None else 0

    def many(self, pattern: str, values: Iterable[str], n: int = PHOTOS) -> None:
        """`n` photos for each value, which stands in the pattern as {v}, and the photo's number as {i}."""
        for value in values:
            self.put(*(pattern.format(v=value, i=i) for i in range(n)))

    def write(self, path: str, text: str, encoding: str = "utf-8") -> None:
        """A text file."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode(encoding))

    def table(self, row: str, head: str = "", file: str = "labels.csv", encoding: str = "utf-8", n: int = 60) -> None:
        """60 photos as photos/0000.jpg, and a table with a row each: {n} the name, {stem}, {b} the breed, {i}."""
        self.put(*(f"photos/{i:04}.jpg" for i in range(n)))
        rows = [
            row.format(n=f"{i:04}.jpg", stem=f"{i:04}", b=BREEDS[i // PHOTOS], i=i, side="train" if i % 5 else "test",
                       late=i % 5 == 0, fold=i % 5, on=[int(i // PHOTOS == k) for k in range(4)])
            for i in range(n)
        ]  # fmt: skip
        self.write(file, "\n".join([*([head] if head else []), *rows]) + "\n", encoding)

    def pack(self, names: Sequence[str], encoding: str = "") -> None:
        """A zip of photos, and empty files where a name is none of one; names in an old encoding."""
        with zipfile.ZipFile(self.folder / "photos.zip", "w") as archive:
            for i, name in enumerate(names):
                info = _Old(name, encoding) if encoding else zipfile.ZipInfo(name)
                archive.writestr(info, self.photos[i] if name.lower().endswith(".jpg") else b"")


class _Old(zipfile.ZipInfo):
    """A member whose name is in an encoding that nothing tells."""

    def __init__(self, name: str, encoding: str) -> None:
        super().__init__(name)
        self._raw = name.encode(encoding)

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self._raw, self.flag_bits


Build = Callable[[Maker], None]
CASES: dict[str, tuple[Build, Expected]] = {}
CAT_DOG = ("cat", "dog")


def case(**expected: object) -> Callable[[Build], Build]:
    """Make a function that builds a data set one of the cases, by its name."""

    def known(build: Build) -> Build:
        CASES[build.__name__] = build, Expected(**expected)  # type: ignore[arg-type]
        return build

    return known


@case(classes=CAT_DOG, valid=6)
def split_inside_class(m: Maker) -> None:
    for v in CAT_DOG:
        m.put(*(f"{v}/{'train' if i % 5 else 'val'}/{i}.jpg" for i in range(PHOTOS)))


@case(classes=("glioma", "no_tumor", "pituitary"), valid=12, told=["Testing is used for validation"])
def training_and_testing(m: Maker) -> None:
    for v in ("glioma", "no_tumor", "pituitary"):
        m.put(*(f"{'Training' if i % 4 else 'Testing'}/{v}/{i}.jpg" for i in range(PHOTOS)))


@case(classes=("n01443537", "n01629819"), told=["val_0.JPEG", "test_0.JPEG"])
def images_below_each_class(m: Maker) -> None:
    m.many("train/{v}/images/{v}_{i}.JPEG", ("n01443537", "n01629819"))
    m.many("{v}/images/{v}_{i}.JPEG", ("val", "test"), 8)


@case(classes=CAT_DOG)
def some_in_a_folder_below(m: Maker) -> None:
    for v in CAT_DOG:
        m.put(*(f"{v}/{'more/' * (i >= 10)}{i}.jpg" for i in range(PHOTOS)))


@case(classes=BREEDS)
def camera_names_beside_a_table(m: Maker) -> None:
    names = [f"IMG_2023050{1 + i % 3}_12{i:04}.jpg" for i in range(60)]
    m.put(*names)
    m.write("labels.csv", "file,label\n" + "".join(f"{n},{BREEDS[i // PHOTOS]}\n" for i, n in enumerate(names)))


@case(classes=CAT_DOG, at="photos")
def all_classes_are_links(m: Maker) -> None:
    m.many("elsewhere/{v}/{i}.jpg", CAT_DOG)
    (m.folder / "photos").mkdir()
    for v in CAT_DOG:
        (m.folder / "photos" / v).symlink_to(m.folder / "elsewhere" / v)


@case(classes=BREEDS)
def table_label_first(m: Maker) -> None:
    m.table("{b},{n}", "label,filename")


@case(classes=BREEDS)
def table_without_header(m: Maker) -> None:
    m.table("{stem},{b}")


@case(classes=BREEDS)
def table_other_case(m: Maker) -> None:
    m.table("{stem}.JPG,{b}", "file,label")


@case(classes=BREEDS, valid=12)
def table_split_column(m: Maker) -> None:
    m.table("{n},{side},{b}", "file_name,split,label")


@case(refused="in line 2")
def table_comma_in_label(m: Maker) -> None:
    m.table("{n},long, {b}", "file,label")


@case(refused="'labels.csv': no column has labels")
def table_label_is_the_file(m: Maker) -> None:
    m.table("{i},{n}", "id,file")


@case(classes=BREEDS, told=["15 rows of labels.csv have no photo"])
def table_rows_without_photo(m: Maker) -> None:
    m.table("{n},{b}", "file,label")
    for i in range(0, 60, 4):
        (m.folder / f"photos/{i:04}.jpg").unlink()


@case(
    classes=CAT_DOG,
    valid=12,
    told=["12 validation photos are also among the training photos; 4 photos have two labels"],
)
def same_photo_on_both_sides(m: Maker) -> None:
    for k, v in enumerate(CAT_DOG):
        m.put(*(f"train/{v}/{i}.jpg" for i in range(12)), first=PHOTOS * k)
        m.put(*(f"valid/{v}/copy_{i}.jpg" for i in range(6)), first=PHOTOS * k)
    m.put(*(f"train/dog/wrong_{i}.jpg" for i in range(4)), first=0)


@case(classes=CAT_DOG, told=["too few to say anything about accuracy"])
def two_photos_a_class(m: Maker) -> None:
    m.many("{v}/{i}.jpg", CAT_DOG, 2)


@case(refused="one label; one more is needed")
def one_class_so_far(m: Maker) -> None:
    m.many("{v}/{i}.jpg", ["glass"])


@case(classes=CAT_DOG, told=["test1/3.jpg"])
def labels_in_names_of_the_training_folder(m: Maker) -> None:
    m.many("train/{v}.{i}.jpg", CAT_DOG)
    m.put(*(f"test1/{i}.jpg" for i in range(PHOTOS)))


@case(classes=("buildings", "forest"), valid=6, told=["seg_pred/7.jpg"])
def affixed_sides_twice(m: Maker) -> None:
    m.many("seg_train/seg_train/{v}/{i}.jpg", ("buildings", "forest"), 12)
    m.many("seg_test/seg_test/{v}/{i}.jpg", ("buildings", "forest"), 3)
    m.put(*(f"seg_pred/seg_pred/{i}.jpg" for i in range(10)))


@case(classes=CAT_DOG, valid=6)
def sides_called_sets(m: Maker) -> None:
    m.many("training_set/{v}/{i}.jpg", CAT_DOG, 12)
    m.many("test_set/{v}/{i}.jpg", CAT_DOG, 3)


@case(classes=CAT_DOG, valid=8, told=["test/cat/0.jpg"])
def all_three_sides(m: Maker) -> None:
    m.many("data/train/{v}/{i}.jpg", CAT_DOG, 10)
    m.many("data/val/{v}/{i}.jpg", CAT_DOG, 4)
    m.many("data/test/{v}/{i}.jpg", CAT_DOG, 1)


@case(classes=CAT_DOG, valid=6)
def sides_of_a_named_data_set(m: Maker) -> None:
    m.many("pets_train/images/{v}/{i}.jpg", CAT_DOG, 12)
    m.many("pets_holdout/images/{v}/{i}.jpg", CAT_DOG, 3)


@case(classes=CAT_DOG, valid=6)
def only_evaluation_beside_training(m: Maker) -> None:
    m.many("Train/{v}/{i}.jpg", CAT_DOG, 12)
    m.many("Eval/{v}/{i}.jpg", CAT_DOG, 3)


@case(classes=CAT_DOG, told=["the label 'cat' joins the folders of that name in '2023', '2024'"])
def years_above(m: Maker) -> None:
    m.many("2023/{v}/a{i}.jpg", CAT_DOG, 8)
    m.many("2024/{v}/b{i}.jpg", CAT_DOG, 7)


@case(classes=CAT_DOG)
def years_below(m: Maker) -> None:
    for v in CAT_DOG:
        m.put(*(f"{v}/{2023 + i % 2}/{i}.jpg" for i in range(PHOTOS)))


@case(refused="No labels were found")
def years_alone(m: Maker) -> None:
    m.many("{v}/{i}.jpg", ("2023", "2024"))


@case(classes=("fresh", "rotten"), told=["the label 'fresh' joins the folders of that name in 'apple', 'banana'"])
def one_name_below_several_classes(m: Maker) -> None:
    for v in ("apple", "banana"):
        m.many(f"{v}/{{v}}/{{i}}.jpg", ("fresh", "rotten"), 8)


@case(classes=("benign", "malignant"))
def a_folder_for_each_patient(m: Maker) -> None:
    for k, v in enumerate(("benign", "malignant")):
        m.put(*(f"{v}/patient_{10 * k + i // 5}/{i}.jpg" for i in range(PHOTOS)))


@case(classes=("bridge", "train_station"))
def a_word_of_a_split_in_a_class(m: Maker) -> None:
    m.many("{v}/{i}.jpg", ("bridge", "train_station"))


@case(classes=CAT_DOG, told=["test/4.jpg", "'test' is not a label"])
def unlabelled_test_beside_the_classes(m: Maker) -> None:
    m.many("{v}/{i}.jpg", CAT_DOG)
    m.put(*(f"test/{i}.jpg" for i in range(8)))


@case(classes=CAT_DOG, told=["alone.jpg"])
def a_photo_beside_the_classes(m: Maker) -> None:
    m.many("{v}/{i}.jpg", CAT_DOG)
    m.put("alone.jpg")


@case(refused="label of their own; at least two photos per label are needed")
def one_photo_a_class(m: Maker) -> None:
    m.many("{v}/photo.jpg", ("cat", "dog", "cow"), 1)


@case(refused="No labels were found")
def camera_names_alone(m: Maker) -> None:
    m.put(*(f"IMG_2023050{1 + i % 3}_12{i:04}.jpg" for i in range(10)), *(f"DSC_{i:04}.jpg" for i in range(10)))


@case(classes=CAT_DOG, told=["cat/loop", "a link to a folder that is listed already", "a link that leads nowhere"])
def links_in_a_loop(m: Maker) -> None:
    m.many("{v}/{i}.jpg", CAT_DOG)
    (m.folder / "cat/loop").symlink_to(m.folder)
    (m.folder / "lost").symlink_to(m.folder / "no such folder")


@case(
    classes=CAT_DOG,
    told=["rabbit: an empty folder", "a.jxl: not a photo by its suffix '.jxl'", "'.jpg_large'", "has no suffix"],
)
def leftovers_of_all_kinds(m: Maker) -> None:
    m.many("{v}/{i}.jpg", CAT_DOG)
    for name in ("a.jxl", "b.jpg_large", "c"):
        m.write(f"cat/{name}", "x")
    (m.folder / "rabbit").mkdir()


@case(classes=CAT_DOG, told=["a workspace of this program"])
def a_workspace_among_the_photos(m: Maker) -> None:
    m.many("{v}/{i}.jpg", CAT_DOG)
    m.write("old/photos.sqlite", "")
    m.put(*(f"old/photos/bird/{i}.jpg" for i in range(9)))


@case(classes=("mel", "nv"))
def photos_in_parts_with_a_table(m: Maker) -> None:
    m.put(*(f"HAM_images_part_{1 + i % 2}/ISIC_{i:05}.jpg" for i in range(30)))
    rows = [f"HAM_{i // 2},ISIC_{i:05},{'mel' if i < 12 else 'nv'},histo,{40 + i % 3},{'fm'[i % 2]}" for i in range(30)]
    m.write("HAM_metadata.csv", "\n".join(["lesion_id,image_id,dx,dx_type,age,sex", *rows]))


@case(classes=BREEDS, valid=12)
def a_table_with_a_column_a_class_in_each_side(m: Maker) -> None:
    for side, step in (("train", False), ("valid", True)):
        numbers = [i for i in range(60) if (i % 5 == 0) is step]
        m.put(*(f"{side}/{i}_jpg.rf.{i * 7919:x}.jpg" for i in numbers))
        rows = [
            f"{i}_jpg.rf.{i * 7919:x}.jpg,{', '.join(str(int(i // PHOTOS == k)) for k in range(4))}" for i in numbers
        ]
        m.write(f"{side}/_classes.csv", "\n".join([", ".join(["filename", *BREEDS]), *rows]))


@case(classes=BREEDS, valid=12)
def a_table_for_each_side(m: Maker) -> None:
    m.put(*(f"photos/{i}.jpg" for i in range(60)))
    for side, step in (("train", False), ("valid", True)):
        rows = [f"{i}.jpg,{BREEDS[i // PHOTOS]}" for i in range(60) if (i % 5 == 0) is step]
        m.write(f"{side}.csv", "\n".join(["name,breed", *rows]))


@case(classes=CAT_DOG, told=["test/31.jpg", "test.csv: no column has labels", "sample_submission.csv: an example"])
def a_table_for_training_alone(m: Maker) -> None:
    m.put(*(f"train/{i}.jpg" for i in range(30)), *(f"test/{i}.jpg" for i in range(30, 45)))
    m.write("train.csv", "\n".join(["id,target", *(f"{i},{CAT_DOG[i % 2]}" for i in range(30))]))
    m.write("test.csv", "\n".join(["id", *(f"{i}," for i in range(30, 45))]).replace("id", "id,note"))
    m.write("sample_submission.csv", "\n".join(["id,target", *(f"{i},cat" for i in range(30, 45))]))


@case(classes=BREEDS, valid=12)
def table_is_valid(m: Maker) -> None:
    m.table("{n},{b},{late}", "fname,labels,is_valid")


@case(classes=BREEDS, valid=12)
def table_folds(m: Maker) -> None:
    m.table("{fold},{n},{b}", "fold,image,species")


@case(classes=BREEDS)
def table_utf16(m: Maker) -> None:
    m.table("{n}\t{b}", "file\tlabel", encoding="utf-16")


@case(classes=("Köter", "Möpse"), told=["labels.csv is not in UTF-8 and was read as cp1252"])
def table_of_excel(m: Maker) -> None:
    m.put(*(f"{i}.jpg" for i in range(20)))
    rows = [f"{i}.jpg;{('Köter', 'Möpse')[i % 2]}" for i in range(20)]
    m.write("labels.csv", "\r\n".join(["sep=;", "Datei;Hund", *rows]), "cp1252")


@case(classes=BREEDS)
def table_with_an_index(m: Maker) -> None:
    m.table("{i},640,{n},480,{b}", ",width,file,height,breed")


@case(classes=BREEDS)
def table_with_paths_of_another_machine(m: Maker) -> None:
    m.table("C:\\data\\images\\{n},{b}", "path,label")


@case(refused="rows mark several of the classes")
def table_of_several_labels(m: Maker) -> None:
    m.table("{n},1,{on[0]},{on[1]},1", "file,animal,cat,bird,indoor")


@case(classes=("柴犬", "猫"), at="photos.zip", told=["read as cp932"])
def zip_of_japan(m: Maker) -> None:
    m.pack([f"{v}/{i}.jpg" for v in ("柴犬", "猫") for i in range(PHOTOS)], "cp932")


@case(classes=("狗", "苹果"), at="photos.zip", told=["read as gb18030"])
def zip_of_china(m: Maker) -> None:
    m.pack([f"{v}/{i}.jpg" for v in ("狗", "苹果") for i in range(PHOTOS)], "gbk")


@case(classes=CAT_DOG, at="photos.zip", told=["cat/a.jxl: not a photo by its suffix '.jxl'", "rabbit: an empty folder"])
def zip_with_leftovers(m: Maker) -> None:
    m.pack([*(f"{v}/{i}.jpg" for v in CAT_DOG for i in range(PHOTOS)), "cat/a.jxl", "rabbit/"])


@case(classes=("NORMAL", "PNEUMONIA"), valid=8, told=["8 validation photos are also among", "test/NORMAL/0.jpg"])
def a_data_set_with_a_copy_of_itself(m: Maker) -> None:
    for top in ("xray/xray", "xray"):
        for k, v in enumerate(("NORMAL", "PNEUMONIA")):
            m.put(*(f"{top}/train/{v}/{i}.jpg" for i in range(8)), first=20 * k)
            m.put(*(f"{top}/val/{v}/{i}.jpg" for i in range(2)), first=20 * k)
            m.put(*(f"{top}/test/{v}/{i}.jpg" for i in range(3)), first=20 * k + 10)


@case(classes=CAT_DOG, told=["test/3.jpg"])
def each_side_in_a_folder_of_its_name(m: Maker) -> None:
    m.many("archive/train/train/{v}/{i}.jpg", CAT_DOG)
    m.put(*(f"archive/test/test/{i}.jpg" for i in range(5)))


@case(classes=("0", "1"), valid=5, told=["Meta.csv: no column has labels"])
def tables_of_paths_below_folders_of_classes(m: Maker) -> None:
    head = "Width,ClassId,Path\n"
    train = [f"Train/{i % 2}/{i}.jpg" for i in range(20)]
    test = [f"Test/{i}.jpg" for i in range(5)]
    m.put(*train, *test)
    m.write("Train.csv", head + "".join(f"{29 + i % 3},{i % 2},{path}\n" for i, path in enumerate(train)))
    m.write("Test.csv", head + "".join(f"30,{i % 2},{path}\n" for i, path in enumerate(test)))
    m.write("Meta.csv", "Path,ShapeId\nTest/0.jpg,0\n")


@case(classes=CAT_DOG, valid=4)
def a_table_of_labels_and_one_that_splits(m: Maker) -> None:
    m.put(*(f"img/{i}.jpg" for i in range(20)))
    m.write(
        "labels.tsv", "file\tlabel\tflipped\n" + "".join(f"{i}.jpg\t{CAT_DOG[i % 2]}\t{i % 3}\n" for i in range(20))
    )
    m.write("split.csv", "file,set\n" + "".join(f"{i}.jpg,{'train' if i % 5 else 'val'}\n" for i in range(20)))


@case(classes=CAT_DOG, told=["exif.csv: a table that labels and split do without"])
def a_table_of_other_things(m: Maker) -> None:
    m.many("{v}/{i}.jpg", CAT_DOG)
    m.write("exif.csv", "file,camera\n" + "".join(f"{v}/{i}.jpg,{'ab'[i % 2]}\n" for v in CAT_DOG for i in range(15)))


@case(refused="lists '0.jpg' as ")
def a_table_that_contradicts_itself(m: Maker) -> None:
    m.put(*(f"img/{i}.jpg" for i in range(20)))
    m.write("t.csv", "file,label\n0.jpg,dog\n" + "".join(f"{i}.jpg,{CAT_DOG[i % 2]}\n" for i in range(20)))


@case(refused="rows mark several of the classes Smiling, Male")
def tables_of_attributes_and_of_numbered_sides(m: Maker) -> None:
    m.put(*(f"img/{i}.jpg" for i in range(20)))
    m.write("attributes.csv", "id,Smiling,Male\n" + "".join(f"{i}.jpg,{1 - 2 * (i % 2)},1\n" for i in range(20)))
    m.write("partition.csv", "id,partition\n" + "".join(f"{i}.jpg,{i % 3}\n" for i in range(20)))


@case(
    classes=BREEDS,
    told=[
        "0006.jpg: line 8 of labels.csv marks several classes for '0006.jpg', Abyssinian, pug; mark one",
        "line 9 of labels.csv has no label",
    ],
)
def a_table_of_classes_that_marks_two(m: Maker) -> None:
    m.table("{n},{on[0]},{on[1]},{on[2]},{on[3]}", "file,Abyssinian,Bengal,Sphynx,pug")
    text = (m.folder / "labels.csv").read_text()
    m.write("labels.csv", text.replace("0006.jpg,1,0,0,0", "0006.jpg,1,0,0,1").replace("0007.jpg,1", "0007.jpg,0"))


@case(
    classes=BREEDS,
    told=["0006.jpg: line 8 of labels.csv has no label for '0006.jpg'; fill it in", "2 rows have no label"],
)
def a_table_with_short_rows(m: Maker) -> None:
    m.table("{n},{b}", "file,label")
    text = (m.folder / "labels.csv").read_text()
    m.write("labels.csv", text.replace("0006.jpg,Abyssinian", "0006.jpg").replace("0007.jpg,Abyssinian", "0007.jpg,"))


VEHICLES = ("bike", "car", "plane", "train")


@case(classes=VEHICLES, reasons=["'train' is one of them"])
def a_class_called_train(m: Maker) -> None:
    m.many("{v}/{i}.jpg", VEHICLES)


@case(classes=VEHICLES, valid=12, reasons=["'train' is one of them"])
def a_class_called_train_on_both_sides(m: Maker) -> None:
    m.many("train/{v}/{i}.jpg", VEHICLES, 12)
    m.many("test/{v}/{i}.jpg", VEHICLES, 3)


@case(classes=CAT_DOG, told=["unlabelled/4.jpg"])
def training_photos_beside_those_without_labels(m: Maker) -> None:
    m.many("train/{v}.{i}.jpg", CAT_DOG)
    m.put(*(f"unlabelled/{i}.jpg" for i in range(5)))


@case(classes=("강아지", "고양이"), at="photos.zip", told=["read as cp949"])
def zip_of_korea(m: Maker) -> None:
    m.pack([f"{v}/{i}.jpg" for v in ("강아지", "고양이") for i in range(PHOTOS)], "cp949")


@case(classes=("犬", "猫"), at="photos.zip", told=["read as cp932"])
def zip_of_japan_with_names_of_one_letter(m: Maker) -> None:
    m.pack([f"{v}/{i}.jpg" for v in ("犬", "猫") for i in range(PHOTOS)], "cp932")


@case(classes=("合格", "不合格"), at="photos.zip", told=["'不合格' could be '꼇북목' in cp949 too"])
def zip_of_china_that_could_be_of_korea(m: Maker) -> None:
    m.pack([f"{v}/{i}.jpg" for v in ("合格", "不合格") for i in range(PHOTOS)], "gbk")


@case(classes=("犬", "猫"), at="photos.zip", told=["read as gb18030"])
def zip_of_china_with_names_of_one_letter(m: Maker) -> None:
    m.pack([f"{v}/{i}.jpg" for v in ("犬", "猫") for i in range(PHOTOS)], "gbk")


@case(classes=("Müll", "Glas"), at="photos.zip")
def zip_of_the_west(m: Maker) -> None:
    m.pack([f"{v}/{i}.jpg" for v in ("Müll", "Glas") for i in range(PHOTOS)], "cp850")


@case(classes=("кот", "собака"), at="photos.zip", told=["read as cp866"])
def zip_of_russia(m: Maker) -> None:
    m.pack([f"{v}/{i}.jpg" for v in ("кот", "собака") for i in range(PHOTOS)], "cp866")


@case(classes=("0", "1"), told=["the label '0' joins the folders of that name in '8000', '8001'"])
def numbered_patients_above_the_classes(m: Maker) -> None:
    m.put(*(f"{8000 + i // 6}/{i % 2}/{i}.png" for i in range(60)))


@case(classes=("run", "walk"))
def frames_of_videos_called_like_their_class(m: Maker) -> None:
    for v in ("run", "walk"):
        m.put(*(f"{v}/v_{v}_g{i // 4:02}_c01/frame_{i % 4:04}.jpg" for i in range(16)))


@case(classes=CAT_DOG, told=["test/3.jpg: 'train.csv' lists photos in 'train', where this one is not"])
def numbers_that_begin_anew_in_the_test_folder(m: Maker) -> None:
    m.put(*(f"train/{i}.jpg" for i in range(20)), *(f"test/{i}.jpg" for i in range(8)))
    m.write("train.csv", "id,label\n" + "".join(f"{i},{CAT_DOG[i % 2]}\n" for i in range(20)))


@case(classes=CAT_DOG, told=["test/3.jpg: 'train.csv' lists photos in 'train', where this one is not"])
def paths_of_training_photos_with_numbers_that_begin_anew(m: Maker) -> None:
    m.put(*(f"train/{i}.jpg" for i in range(20)), *(f"test/{i}.jpg" for i in range(8)))
    m.write("train.csv", "path,label\n" + "".join(f"train/{i}.jpg,{CAT_DOG[i % 2]}\n" for i in range(20)))


@case(classes=CAT_DOG, told=["10 rows of labels.csv name several photos each"])
def one_row_for_photos_in_two_folders(m: Maker) -> None:
    m.put(*(f"{side}/{i}.jpg" for side in ("left", "right") for i in range(10)))
    m.write("labels.csv", "file,label\n" + "".join(f"{i}.jpg,{CAT_DOG[i % 2]}\n" for i in range(10)))


@case(classes=CAT_DOG, counts=(4, 6), valid=2, told=["test is used for validation"])
def a_table_in_each_side_with_numbers_that_begin_anew(m: Maker) -> None:
    for side, n in (("train", 8), ("test", 2)):
        m.put(*(f"{side}/{i}.jpg" for i in range(n)))
        rows = [f"{i}.jpg,{CAT_DOG[i % 2] if side == 'train' else 'dog'}\n" for i in range(n)]
        m.write(f"{side}/metadata.csv", "file_name,label\n" + "".join(rows))


@case(classes=BREEDS)
def table_with_dates_before_the_labels(m: Maker) -> None:
    m.table("2023-05-0{fold},{n},{b}", "date,file,what")


@case(classes=BREEDS, told=["2 rows have no label", "line 5 of labels.csv has no label for '0003.jpg'"])
def table_with_labels_that_are_missing(m: Maker) -> None:
    m.table("{n},{b}", "file,label")
    text = (m.folder / "labels.csv").read_text()
    m.write(
        "labels.csv", text.replace("0003.jpg,Abyssinian", "0003.jpg,NaN").replace("0004.jpg,Abyssinian", "0004.jpg,")
    )


@case(classes=BREEDS)
def table_with_quotes_of_both_kinds(m: Maker) -> None:
    m.table("'{n}', \"{b}\"", "'file', \"label\"")


@case(classes=("benign", "normal"), told=["10 photos are by name a mask of another, such as 'benign (0)_mask.png'"])
def masks_beside_the_photos(m: Maker) -> None:
    m.put(*(f"{v}/{v} ({i}){s}.png" for v in ("benign", "normal") for i in range(5) for s in ("", "_mask")))


@case(classes=("COVID", "Normal"), told=["16 photos are by name a mask"])
def masks_in_folders(m: Maker) -> None:
    m.put(*(f"{v}/{d}/{v}-{i}.png" for v in ("COVID", "Normal") for d in ("images", "masks") for i in range(8)))


@case(classes=CAT_DOG, told=["16 photos are by name a mask", "the label 'cat' joins the folders"])
def masks_in_a_folder_beside_all_images(m: Maker) -> None:
    m.put(*(f"{d}/{v}/{i}.png" for d in ("images", "masks") for v in CAT_DOG for i in range(8)))


@case(refused="labels may stand in annotations.json, but only CSV tables are read")
def labels_in_json(m: Maker) -> None:
    m.put(*(f"images/{i:05}.jpg" for i in range(20)))
    m.write("annotations.json", "{}")


@case(refused="only CSV tables are read")
def labels_in_a_spreadsheet(m: Maker) -> None:
    m.put(*(f"images/{i:05}.jpg" for i in range(20)))
    m.write("labels.xlsx", "")


@case(refused="and .webp; unpack cat.zip, dog.zip")
def a_zip_of_each_class(m: Maker) -> None:
    m.write("cat.zip", "")
    m.write("dog.zip", "")


@case(classes=CAT_DOG)
def labels_after_the_numbers(m: Maker) -> None:
    m.put(*(f"{i:03}_{CAT_DOG[i % 2]}.jpg" for i in range(20)))


@case(classes=CAT_DOG)
def labels_before_hashes(m: Maker) -> None:
    m.put(*(f"{CAT_DOG[i % 2]}-{i * 7919:08x}.jpg" for i in range(20)))


@case(classes=("Cat photos", "Dog photos"), told=["IMG_0000.jpg.supplemental-metadata.json: not a photo by its suffix"])
def albums_of_a_phone_with_side_files(m: Maker) -> None:
    for v in ("Cat photos", "Dog photos"):
        m.put(*(f"Takeout/Photos/{v}/IMG_{i:04}{s}.jpg" for i in range(5) for s in ("", "(1)")))
        m.write(f"Takeout/Photos/{v}/IMG_0000.jpg.supplemental-metadata.json", "{}")


@case(classes=("Kitten", "Puppy"), told=["DSC00000.xmp: not a photo", "IMG_0000.MOV: not a photo"])
def exports_by_day_with_side_files(m: Maker) -> None:
    for v in ("Kitten", "Puppy"):
        m.put(*(f"Export/{v}/2023-05-0{1 + i % 3}/DSC0{i:04}.jpg" for i in range(9)))
        m.write(f"Export/{v}/2023-05-01/DSC00000.xmp", "x")
        m.write(f"Export/{v}/2023-05-01/IMG_0000.MOV", "x")


@case(classes=("bar", "cafe\u0301", "caf\u00e9"), told=["look like one label spelt twice"])
def a_class_in_two_spellings_of_unicode(m: Maker) -> None:
    m.many("{v}/{i}.jpg", ("bar", "cafe\u0301", "caf\u00e9"), 5)


@case(classes=("Cat", "cat", "cat ", "dog"), told=["'Cat' and 'cat' look like one", "'cat' and 'cat ' look like one"])
def a_class_in_spellings_that_look_alike(m: Maker) -> None:
    m.many("{v}/{i}.jpg", ("Cat", "cat", "cat ", "dog"), 5)


@case(classes=("1", "2", "3"), told=["the label '1' joins the folders of that name in 'set_0', 'set_1'"])
def numbered_sets_above_numbered_classes(m: Maker) -> None:
    m.put(*(f"set_{k}/{v}/{i}.jpg" for k in (0, 1) for v in (1, 2, 3) for i in range(4)))


@case(classes=CAT_DOG)
def several_crops_of_each_numbered_animal(m: Maker) -> None:
    m.put(*(f"{v}_{i:02}_crop{j}.jpg" for v in CAT_DOG for i in range(6) for j in range(3)))


@case(classes=BREEDS)
def table_of_urls(m: Maker) -> None:
    m.table("https://example.org/img/{n}?w=300,{b}", "url,label")


@case(refused="Labels may stand in list_attr.txt, but only CSV tables are read")
def one_folder_with_a_list_of_attributes(m: Maker) -> None:
    m.put(*(f"img_align/{i:06}.jpg" for i in range(10)))
    m.write("list_attr.txt", "10\nSmiling Male\n")


@case(refused="No labels were found")
def names_of_chance(m: Maker) -> None:
    m.put(*(f"{i * 0x9E3779B97F4A7C15 % 2**64:016x}-{i:04x}.jpg" for i in range(30)))


@case(classes=("Audi A1", "Audi X5", "BMW A1", "BMW X5"))
def makes_models_and_years(m: Maker) -> None:
    for make in ("Audi", "BMW"):
        m.put(*(f"{make}/{make} {v}/{y}/{i}.jpg" for v in ("A1", "X5") for y in (2011, 2012) for i in range(3)))
