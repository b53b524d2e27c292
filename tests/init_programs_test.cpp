// A newcomer's path: mltrain init on a folder of pictures, training, labelling a picture.
#include <algorithm>

#include "app/config_file.h"
#include "tests/program.h"

namespace mld::test {
namespace {

constexpr int kPictures = 24;

std::string picture(int i) { return fmt::format("p{:02}.ppm", i); }
const char* first_label(int i) { return i % 2 == 0 ? "cat" : "dog"; }
bool has_second(int i) { return i % 3 == 0; }  // "ball"

void write_folders(const TemporaryFolder& folder) {
  for (int i = 0; i < kPictures; ++i) {
    folder.write_picture(fmt::format("pets/{}/{}", first_label(i), picture(i)), 9 * i, 40, 30);
  }
}

void write_csv_in(const TemporaryFolder& folder, const std::string& root) {
  std::string rows = "filename,labels\n";
  for (int i = 0; i < kPictures; ++i) {
    folder.write_picture(root + "/images/" + picture(i), 9 * i, 40, 30);
    rows += fmt::format("{},{}{}\n", picture(i), first_label(i), has_second(i) ? "|ball" : "");
  }
  folder.write(root + "/data.csv", rows);
}
void write_csv(const TemporaryFolder& folder) { write_csv_in(folder, "pets"); }

void write_coco(const TemporaryFolder& folder) {
  std::string images, annotations;
  for (int i = 0; i < kPictures; ++i) {
    folder.write_picture("pets/images/" + picture(i), 9 * i, 40, 30);
    const char* comma = i > 0 ? "," : "";
    images += fmt::format(R"({}{{"id":{},"file_name":"{}"}})", comma, i, picture(i));
    annotations += fmt::format(R"({}{{"image_id":{},"category_id":{}}})", comma, i, i % 2);
    if (has_second(i)) {
      annotations += fmt::format(R"(,{{"image_id":{},"category_id":2}})", i);
    }
  }
  folder.write("pets/annotations/instances_default.json",
               fmt::format(R"({{"images":[{}],"annotations":[{}],"categories":[)"
                           R"({{"id":0,"name":"cat"}},{{"id":1,"name":"dog"}},)"
                           R"({{"id":2,"name":"ball"}}]}})", images, annotations));
}

void write_voc(const TemporaryFolder& folder) {
  for (int i = 0; i < kPictures; ++i) {
    const std::string id = fmt::format("p{:02}", i);
    folder.write_picture("pets/JPEGImages/" + id + ".jpg", 9 * i, 40, 30);
    folder.write("pets/Annotations/" + id + ".xml",
                 fmt::format("<annotation><object><name>{}</name></object>{}</annotation>",
                             first_label(i),
                             has_second(i) ? "<object><name>ball</name></object>" : ""));
  }
}

struct Run {
  int code = 0;
  std::string out, err;
};
// Runs a program in the temporary folder, as a user who has gone there.
Run in(const TemporaryFolder& folder, const char* program,
       const std::vector<std::string>& arguments) {
  const Program started(program, arguments, folder, 0, folder.path());
  const int code = started.wait();
  return {code, started.out(), started.err()};
}

// A few updates with a config.
void train(const TemporaryFolder& folder, const char* config) {
  const Run run = in(folder, "mltrain", {config, "train.epochs=1", "threads=2", "--quiet"});
  CAPTURE(run.err);
  REQUIRE(run.code == 0);
}

}  // namespace

TEST_CASE("a newcomer's path: init, training and predict, for four kinds of data") {
  const struct {
    const char* format;
    void (*write)(const TemporaryFolder& folder);
    const char* task;
    const char* picture;
  } kPaths[] = {{"folder", write_folders, "single-label", "pets/cat/p00.ppm"},
                {"csv", write_csv, "multi-label", "pets/images/p00.ppm"},
                {"coco", write_coco, "multi-label", "pets/images/p00.ppm"},
                {"voc", write_voc, "multi-label", "pets/JPEGImages/p00.jpg"}};
  for (const auto& path : kPaths) {
    CAPTURE(std::string(path.format));
    TemporaryFolder folder;
    path.write(folder);
    const Run init = in(folder, "mltrain", {"init", "pets"});
    CAPTURE(init.out + init.err);
    REQUIRE(init.code == 0);
    const bool single = std::string_view(path.task) == "single-label";
    CHECK(contains(init.out, fmt::format("\"{}\", 24 pictures, {} labels a picture: {}\n",
                                         path.format,
                                         single ? "2 classes, 1.00" : "3 classes, 1.33",
                                         path.task)));
    CHECK(contains(init.out, "validation: 5 pictures, listed in pets_val.txt\n"));
    CHECK(contains(init.out, "written: pets.toml and pets_val.txt, a part of every class by seed "
                             "42\nnext:\n  mltrain check pets.toml"));
    CHECK(lines_of(folder.path() / "pets_val.txt").size() == 5);
    const Config config = load_config(folder.path() / "pets.toml").config;
    CHECK(config.data.root == (fs::canonical(folder.path()) / "pets"));
    CHECK(config.preprocess.image_size == 32);  // the pictures are small
    CHECK(config.preprocess.exif == Exif::apply);
    CHECK(config.train.batch_size == 4);
    CHECK(contains(read_file(folder.path() / "pets.toml"), "\nroot = \"pets\" "));
    train(folder, "pets.toml");
    const Run predict = in(folder, "mlinfer", {"predict", "runs/pets", path.picture, "--csv"});
    CHECK(predict.code == 0);
    CHECK(contains(predict.out, path.picture));
  }
}

TEST_CASE("init: keeps files, settings and a validation split that are there") {
  TemporaryFolder folder;
  write_folders(folder);
  folder.write("pets.toml", "mine");
  const Run second = in(folder, "mltrain", {"init", "pets/", "train.batch_size=3", "seed=7",
                                            "data.image_size=48", "model.backbone=resnet34"});
  REQUIRE(second.code == 0);
  CHECK(read_file(folder.path() / "pets.toml") == "mine");
  CHECK(contains(second.out, "written: pets-2.toml and pets-2_val.txt, "));
  const Config config = load_config(folder.path() / "pets-2.toml").config;
  CHECK(config.train.batch_size == 3);
  CHECK(config.seed == 7);
  CHECK(config.preprocess.image_size == 48);
  CHECK(config.model.backbone == "resnet34");
  CHECK(config.name == "pets-2");
  // The same seed chooses the same pictures; the list holds them, whatever the seed is then.
  in(folder, "mltrain", {"init", "pets", "seed=7", "--out", "a.toml"});
  in(folder, "mltrain", {"init", "pets", "seed=8", "--out", "b.toml"});
  CHECK(read_file(folder.path() / "a_val.txt") == read_file(folder.path() / "pets-2_val.txt"));
  CHECK(read_file(folder.path() / "b_val.txt") != read_file(folder.path() / "a_val.txt"));
  const Run taken = in(folder, "mltrain", {"init", "pets", "--out", "a.toml"});
  CHECK(taken.code == 2);
  CHECK(contains(taken.err, "a.toml exists; remove it, or choose another --out"));
  const Run nowhere = in(folder, "mltrain", {"init", "pets", "--out", "none/c.toml"});
  CHECK(nowhere.code == 2);
  CHECK(contains(nowhere.err, "none: no such folder (--out)"));

  fs::create_directories(folder.path() / "pets/val");
  fs::create_directories(folder.path() / "pets/train");
  for (const char* name : {"cat", "dog"}) {
    fs::rename(folder.path() / "pets" / name, folder.path() / "pets/train" / name);
    folder.write_picture(fmt::format("pets/val/{}/x.ppm", name), 5, 40, 30);
  }
  const Run split = in(folder, "mltrain", {"init", "pets", "--out", "split.toml"});
  CHECK(split.code == 0);
  CHECK(contains(split.out, "validation: 2 pictures\ntraining: 24 pictures\n"));
  CHECK_FALSE(fs::exists(folder.path() / "split_val.txt"));
}

TEST_CASE("init: says what is odd, and its config trains all the same") {
  TemporaryFolder folder;
  write_folders(folder);
  folder.write("pets/cat/broken.jpg", "\xFF\xD8\xFF no more");
  folder.write("pets/cat/notes.txt", "x");
  fs::copy_file(folder.path() / "pets/dog/p01.ppm", folder.path() / "pets/dog/same.ppm");
  folder.write_picture("pets/one_only/y.ppm", 77, 40, 30);
  fs::create_directory(folder.path() / "pets/none");
  const Run init = in(folder, "mltrain", {"init", "pets"});
  CAPTURE(init.out);
  REQUIRE(init.code == 0);
  CHECK(contains(init.out, "pets/cat/broken.jpg"));
  CHECK(contains(init.out, "1 not a picture (cat/notes.txt)"));
  CHECK(contains(init.out, "1 folder without pictures: none"));
  CHECK(contains(init.out, "1 class with fewer than 10 training pictures: one_only"));
  const Config config = load_config(folder.path() / "pets.toml").config;
  CHECK(config.loading.on_bad_image == OnBadImage::skip);
  train(folder, "pets.toml");
}

TEST_CASE("init: starts from a run, or from another program's weights") {
  TemporaryFolder folder;
  write_folders(folder);
  REQUIRE(in(folder, "mltrain", {"init", "pets", "data.resize=crop"}).code == 0);
  train(folder, "pets.toml");
  const auto from_run = [&](const char* out) {
    return in(folder, "mltrain", {"init", "pets", "--from", "runs/pets", "--out", out});
  };
  const Run again = from_run("a.toml");
  CAPTURE(again.out + again.err);
  REQUIRE(again.code == 0);
  const Config same = load_config(folder.path() / "a.toml").config;
  CHECK(same.init.init_policy == InitPolicy::strict);
  CHECK(same.init.init == (fs::canonical(folder.path()) / "runs/pets"));
  train(folder, "a.toml");
  // Other classes, and as many: the classifier is left out.
  fs::rename(folder.path() / "pets/dog", folder.path() / "pets/cow");
  REQUIRE(from_run("b.toml").code == 0);
  CHECK(load_config(folder.path() / "b.toml").config.init.init_policy == InitPolicy::backbone);
  train(folder, "b.toml");
  // For pictures with several labels: the backbone, the head that several labels get, no crop.
  write_csv_in(folder, "several");
  const Run several = in(folder, "mltrain", {"init", "several", "--from", "runs/pets", "--out",
                                             "d.toml"});
  CAPTURE(several.err);
  REQUIRE(several.code == 0);
  const Config multi = load_config(folder.path() / "d.toml").config;
  CHECK(multi.init.init_policy == InitPolicy::backbone);
  CHECK(multi.model.head == "ml_decoder");
  CHECK(multi.preprocess.resize == ResizeMode::squash);
  CHECK(multi.optim.layer_decay == 0.9);
  CHECK(multi.preprocess.eval_size == 0);  // 32 px: no larger size is near
  REQUIRE(in(folder, "mltrain", {"init", "several", "--from", "runs/pets", "--out", "large.toml",
                                 "data.image_size=128"}).code == 0);
  CHECK(load_config(folder.path() / "large.toml").config.preprocess.eval_size == 160);
  // Another program's file: the backbone is found in it.
  const Run exported = in(folder, "mlinfer", {"export", "runs/pets", "--naming", "torchvision",
                                              "--out", "theirs.safetensors"});
  CAPTURE(exported.err);
  REQUIRE(exported.code == 0);
  const Run theirs = in(folder, "mltrain", {"init", "pets", "--from", "theirs.safetensors", "--out",
                                            "c.toml"});
  CAPTURE(theirs.err);
  REQUIRE(theirs.code == 0);
  CHECK(contains(theirs.out, "model: resnet18 + gap from "));
  const Config foreign = load_config(folder.path() / "c.toml").config;
  CHECK(foreign.init.init_policy == InitPolicy::backbone);
  CHECK(foreign.preprocess.normalize == Normalize::imagenet);
  train(folder, "c.toml");
  // No weights of a model.
  fs::copy_file(kFixtures / "ema.safetensors", folder.path() / "other.safetensors");
  const Run wrong = in(folder, "mltrain", {"init", "pets", "--from", "other.safetensors"});
  CHECK(wrong.code == 3);
  CHECK(contains(wrong.err, "other.safetensors: these are weights of no backbone here"));
  CHECK_FALSE(fs::exists(folder.path() / "pets-2.toml"));
  CHECK_FALSE(fs::exists(folder.path() / "pets-2_val.txt"));
}

TEST_CASE("init: folders that are no data") {
  TemporaryFolder folder;
  const Run none = in(folder, "mltrain", {"init", "nothing"});
  CHECK(none.code == 3);
  CHECK(contains(none.err, "nothing: no such folder"));
  folder.write("empty/readme.txt", "x");
  const Run empty = in(folder, "mltrain", {"init", "empty"});
  CHECK(empty.code == 3);
  CHECK(contains(empty.err, "cannot tell the data's format"));
  CHECK(in(folder, "mltrain", {"init"}).code == 2);
  folder.write_picture("one/cat/a.ppm", 1);
  folder.write_picture("one/dog/a.ppm", 2);
  const Run few = in(folder, "mltrain", {"init", "one"});
  CHECK(few.code == 3);
  CHECK(contains(few.err, "init: 2 pictures are too few to leave some for validation"));
  CHECK(in(folder, "mltrain", {"inti", "one"}).code == 2);
}

}  // namespace mld::test
