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
    """Classes, how many photos are for validation where the data says so, and facts that must be told."""

    classes: Sequence[str] = ()
    valid: int | None = None
    told: Sequence[str] = ()
    refused: str = ""  # a part of the sentence
    at: str = ""  # what is opened, in the folder


class Maker:
    """Writes photos, each with another content, and tables into a folder."""

    def __init__(self, folder: Path, photos: Sequence[bytes]) -> None:
        self.folder, self.photos, self.used = folder, list(photos), 0

    def put(self, *paths: str, first: int | None = None) -> None:
        """A photo at each path; those after `first` of all photos, else ones that were not used."""
        for i, path in enumerate(paths):
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.photos[(self.used + i) if first is None else first + i])
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
