// mltrain on files: bad pictures in every mode, names, what `check` says, running out of memory.
#include "tests/paths.h"
#include "tests/program.h"

namespace mld::test {
namespace {

// Two classes of `count` pictures each for training, one each for validation.
void write_classes(const TemporaryFolder& folder, int count) {
  for (const char* name : {"cat", "dog"}) {
    for (int i = 0; i < count; ++i) {
      folder.write_picture(fmt::format("data/train/{}/{}.ppm", name, i), 20 * i);
    }
    folder.write_picture(fmt::format("data/val/{}/0.ppm", name), 100);
  }
}

std::vector<std::string> arguments_for(const TemporaryFolder& folder,
                                       const std::vector<std::string>& more = {}) {
  std::vector<std::string> all = {"data.format=folder",
                                  "data.root=" + (folder.path() / "data").string(),
                                  "data.train_size=0", "data.val_size=0", "train.batch_size=4",
                                  "train.epochs=2"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace

TEST_CASE("training with damaged pictures: an error, or a count and a list, or too many") {
  const TemporaryFolder folder;
  write_classes(folder, 8);
  folder.write("data/train/cat/broken.png", "\x89PNG\r\n\x1a\n nothing more");
  const fs::path out = folder.path() / "run";
  Program strict("mltrain", tiny_run(out, arguments_for(folder)), folder);
  CHECK(strict.wait() == 3);
  CHECK(contains(strict.err(), "broken.png"));
  const std::vector<std::string> skip =
      arguments_for(folder, {"data.on_bad_image=skip", "data.max_bad_fraction=0.1"});
  Program lenient("mltrain", tiny_run(folder.path() / "skip", skip), folder);
  CHECK(lenient.wait() == 0);
  CHECK(contains(lenient.err(), "train: 1 bad picture skipped so far"));
  const std::string log = read_file(folder.path() / "skip/train.log");
  CHECK(contains(log, "broken.png"));
  CHECK(log.find("broken.png") < log.find("epoch 1/2"));  // so that the epoch's report has it
  Program many("mltrain", tiny_run(folder.path() / "many",
                                   arguments_for(folder, {"data.on_bad_image=skip"})), folder);
  CHECK(many.wait() == 3);  // one of 17 is more than a thousandth
  CHECK(contains(many.err(), "data.max_bad_fraction"));
}

TEST_CASE("a class folder whose name is not UTF-8 is refused by name") {
  const TemporaryFolder folder;
  write_classes(folder, 4);
  folder.write_picture("data/train/caf\xe9/0.ppm", 1);
  Program program("mltrain", tiny_run(folder.path() / "run", arguments_for(folder)), folder);
  CHECK(program.wait() == 3);
  CHECK(contains(program.err(), "caf\\xe9"));
}

TEST_CASE("check: counts, damage, agreement with training") {
  const TemporaryFolder folder;
  write_classes(folder, 8);
  std::vector<std::string> arguments = {
      "check", mld::test::source_dir() + "/configs/shapes_resnet18.toml", "threads=2",
      "data.image_size=32", "model.embed_dim=32"};
  const auto check = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = arguments;
    const std::vector<std::string> data = arguments_for(folder, more);
    all.insert(all.end(), data.begin(), data.end());
    const Program program("mltrain", all, folder);
    const int code = program.wait();
    return std::pair(code, program.out() + program.err());
  };
  const auto fine = check({});
  CHECK(fine.first == 0);
  CHECK(contains(fine.second, "train: 16 pictures"));
  CHECK(contains(fine.second, "4 steps an epoch"));
  CHECK(check({"train.batch_size=32"}).first == 2);  // as for training
  const std::string upright = read_file(kFixtures / "pics/size_17x31.jpg");
  folder.write("data/train/cat/turned.jpg", read_file(kFixtures / "pics/exif_3_big.jpg"));
  folder.write("data/train/cat/see_through.png", read_file(kFixtures / "pics/png_rgba8.png"));
  folder.write("data/train/dog/cut.jpg", upright.substr(0, upright.size() - 2));
  folder.write("data/left/over", upright);
  const auto facts = check({});
  CHECK(facts.first == 0);
  CHECK(contains(facts.second, "1 picture turned by EXIF (data.exif = \"apply\" puts them "
                               "upright), such as train/cat/turned.jpg"));
  CHECK(contains(facts.second, "1 picture with transparency"));
  CHECK(contains(facts.second, "1 picture damaged outside the pixels and used anyway, such as "
                               "train/dog/cut.jpg: JPEG: Premature end of JPEG file"));
  CHECK(contains(facts.second, "1 picture below data.root used by no split: left/over"));
  folder.write("data/val/dog/broken.png", "no picture");
  const auto damaged = check({});
  CHECK(damaged.first == 3);
  CHECK(contains(damaged.second, "broken.png"));
}

namespace {

// "out of memory on cpu: ... is predicted to take 1.23 GiB": the free memory may change between two
// calls.
std::string shortage(const std::string& output) {
  const size_t begin = output.find("out of memory on cpu: training with train.batch_size = ");
  REQUIRE(begin != std::string::npos);
  CHECK(contains(output, " GiB are free; "));
  return output.substr(begin, output.find(" GiB", begin) - begin);
}

}  // namespace

TEST_CASE("the default recipe: check answers in seconds and in little memory; what cannot fit") {
  const TemporaryFolder folder;
  const fs::path coco = folder.path() / "coco", out = folder.path() / "run";
  REQUIRE(run("mltrain", {"shapes-export", coco.string(), "train=56", "val=8", "test=0",
                          "image_size=64"}, folder) == 0);
  std::vector<std::string> recipe = {source_dir() + "/configs/coco_resnet50_448.toml",
                                     "data.root=" + coco.string(), "threads=2"};
  const auto check = [&] {
    std::vector<std::string> arguments = {"check"};
    arguments.insert(arguments.end(), recipe.begin(), recipe.end());
    return Program("mltrain", arguments, folder);
  };
  const Program whole = check();
  const int code = whole.wait();
  CHECK((code == 0 || code == 5));  // depends on the free memory of this machine
  MESSAGE(whole.cpu_seconds(), " s, ", whole.peak_gib(), " GiB\n", whole.out());
  CHECK(contains(whole.out(), "are predicted for training with train.batch_size = 56"));
  CHECK(contains(whole.out(), "train: 56 pictures"));
  CHECK(contains(whole.out(), "1 steps an epoch"));
  CHECK(whole.peak_gib() < 2);
  CHECK(whole.cpu_seconds() < 20);  // ten seconds on two cores

  recipe.push_back("data.image_size=4096");  // two terabytes
  const Program large = check();
  CHECK(large.wait() == 5);
  CHECK(large.peak_gib() < 2);
  const std::string said = shortage(large.out());
  recipe.insert(recipe.end(), {"--out", out.string()});
  const Program training("mltrain", recipe, folder);
  CHECK(training.wait() == 5);
  CHECK(shortage(training.err()) == said);
  CHECK(training.peak_gib() < 0.5);
  CHECK_FALSE(fs::exists(out));
}

TEST_CASE("--print-config prints every value and its origin, and does nothing else") {
  const TemporaryFolder folder;
  Program program("mltrain", tiny_run(folder.path() / "run", {"--print-config"}), folder);
  CHECK(program.wait() == 0);
  CHECK(contains(program.out(), "# command line"));
  CHECK(contains(program.out(), "# default"));
  CHECK_FALSE(fs::exists(folder.path() / "run"));
}

}  // namespace mld::test
