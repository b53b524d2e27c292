// The documented uses, tried on every data format and from every folder: training, resuming,
// evaluating the run, its weights, another folder, another config, another split.
#include <algorithm>

#include "tests/program.h"
#include "tests/tiny_data.h"

namespace mld::test {
namespace {

struct Format {
  const char* name;
  void (*write)(const TemporaryFolder& folder, const std::string& root);  // null: drawn
  const char* keys;  // further keys of the [data] section
};

const Format kFormats[] = {
    {"coco", write_tiny_coco, ""},
    {"voc", write_tiny_voc, ""},
    {"csv", write_tiny_csv, ""},
    {"folder", write_tiny_folder, ""},
    {"cifar", write_tiny_cifar, "test = \"small.bin\"\n"},
    {"shapes", nullptr, "train_size = 6\nval_size = 4\n"},
    {"jsonl", write_tiny_jsonl, ""},
    {"open_images", write_tiny_open_images, ""},
    {"webdataset", write_tiny_webdataset, ""},
    {"text", write_tiny_text, ""},
    {"nus_wide", write_tiny_nus_wide, ""},
};

// A folder with data/, conf/tiny.toml that says "../data", and an empty elsewhere/ to run from.
struct Place {
  TemporaryFolder folder;
  fs::path elsewhere = folder.path() / "elsewhere";

  explicit Place(const Format& format) {
    fs::create_directory(elsewhere);
    std::string data = fmt::format("[data]\nformat = \"{}\"\n{}", format.name, format.keys);
    if (format.write != nullptr) {
      format.write(folder, "data");
      data += "root = \"../data\"\n";
    }
    folder.write("conf/tiny.toml", "threads = 2\n" + data + R"(image_size = 32
[augment]
aa = "none"
cutout = 0.0
[model]
backbone = "efficientnet_lite0"
embed_dim = 16
[train]
epochs = 1
batch_size = 3
model_ema_decay = 0.0
)");
  }
  std::string at(const char* name) const { return (folder.path() / name).string(); }
  // The exit code and the output, messages after results.
  std::pair<int, std::string> run(const char* program, const std::vector<std::string>& arguments,
                                  const fs::path& from) const {
    const Program started(program, arguments, folder, 0, from);
    const int code = started.wait();
    return {code, started.out() + started.err()};
  }
};

}  // namespace

TEST_CASE("train, resume and eval for every format, from any folder") {
  for (const Format& format : kFormats) {
    CAPTURE(std::string(format.name));
    const Place place(format);
    const auto eval = [&](const std::vector<std::string>& more) {
      std::vector<std::string> arguments = {"eval"};
      arguments.insert(arguments.end(), more.begin(), more.end());
      arguments.emplace_back("--json");
      return place.run("mlinfer", arguments, place.elsewhere);
    };
    const auto trained = place.run("mltrain", {"tiny.toml", "--out", "../run", "--quiet"},
                                   place.folder.path() / "conf");
    CAPTURE(trained.second);
    REQUIRE(trained.first == 0);
    // The run folder, another config, the data itself, another split.
    const auto plain = eval({"../run"});
    CAPTURE(plain.second);
    REQUIRE(plain.first == 0);
    CHECK(contains(plain.second, "\"samples\": 4"));
    CHECK(eval({"../run", "--data", "../conf/tiny.toml", "--split", "val"}) == plain);
    if (format.write != nullptr) {
      const bool detected = format.write != write_tiny_nus_wide;  // it looks like a plain CSV
      const std::string as = fmt::format("data.format={}", detected ? "auto" : format.name);
      CHECK(eval({"../run", "--data", "../data", "data.image_size=32", as}) == plain);
      CHECK(contains(eval({"../run", "--split", "test"}).second, "\"samples\": 2"));
    }
    if (format.write == write_tiny_csv) {  // cases that do not depend on the format
      CHECK(eval({"../run/"}) == plain);
      CHECK(eval({place.at("run/weights/best.safetensors"), "train.batch_size=2"}) == plain);
      CHECK(eval({"../run", "--data", "../run/config.toml"}) == plain);
      CHECK(eval({"../run", "data.root=../data"}) == plain);
      CHECK(contains(eval({"../run", "--split", "train"}).second, "\"samples\": 6"));
      CHECK(eval({"../run", "data.image_size=48"}).second != plain.second);
    }
    // Evaluation of any split knows that the lists of Open Images are not complete.
    const bool partial = format.write == write_tiny_open_images;
    const auto train = eval({"../run", "--split", "train"});
    CHECK(train.first == 0);
    CHECK(contains(train.second, "mAP_unverified_absent") == partial);
    // A finished run rewrites lost weights, for which it needs its data.
    const std::string weights = read_file(place.at("run/weights/last.safetensors"));
    fs::remove(place.at("run/weights/last.safetensors"));
    CHECK(place.run("mltrain", {"--resume", "../run"}, place.elsewhere).first == 0);
    CHECK(read_file(place.at("run/weights/last.safetensors")) == weights);
    // Moved, the run still knows where its data is; the weights alone do not.
    fs::create_directory(place.at("moved"));
    fs::rename(place.at("run"), place.at("moved/run"));
    CHECK(eval({"../moved/run"}) == plain);
    fs::rename(place.at("moved/run/weights/best.safetensors"), place.at("best.safetensors"));
    const auto alone = eval({"../best.safetensors"});
    if (format.write == nullptr) {
      CHECK(alone == plain);  // nothing to find
    } else {
      CHECK(alone.first == 2);
      CHECK(contains(alone.second, "give --data FOLDER or --data CONFIG"));
      CHECK(eval({"../best.safetensors", "--data", "../conf/tiny.toml"}) == plain);
    }
  }
}

TEST_CASE("equal runs from different folders write equal weights, without a place in them") {
  const Place place(kFormats[2]);
  REQUIRE(place.run("mltrain", {"tiny.toml", "--out", "../run", "--quiet"},
                    place.folder.path() / "conf").first == 0);
  REQUIRE(place.run("mltrain", {"conf/tiny.toml", "data.root=data", "--out", "other/", "--quiet"},
                    place.folder.path()).first == 0);
  for (const char* name : {"weights/best.safetensors", "weights/last.safetensors"}) {
    const std::string bytes = read_file(place.folder.path() / "run" / name);
    CHECK(bytes == read_file(place.folder.path() / "other" / name));
    CHECK(bytes.find(place.folder.path().native()) == std::string::npos);
  }
  CHECK(contains(read_file(place.at("other/config.toml")), "root = \"" + place.at("data") + "\""));
  // Given again, with or without the slash of a shell's completion, the next free name is used.
  for (const char* out : {"other/", "other"}) {
    place.run("mltrain", {"conf/tiny.toml", "--out", out, "--quiet"}, place.folder.path());
  }
  CHECK(fs::exists(place.at("other-2/weights/last.safetensors")));
  CHECK(fs::exists(place.at("other-3/weights/last.safetensors")));
  CHECK_FALSE(fs::exists(place.at("other/-2")));
}

TEST_CASE("a run folder starts a training and labels pictures") {
  const Place place(kFormats[3]);
  REQUIRE(place.run("mltrain", {"tiny.toml", "--out", "../run", "--quiet"},
                    place.folder.path() / "conf").first == 0);
  const auto start = place.run("mltrain", {"../conf/tiny.toml", "model.init=../run", "--out",
                                           "second"}, place.elsewhere);
  CHECK(start.first == 0);
  CHECK(contains(start.second, "313 tensors loaded (names of mldecoder)"));
  // In a config, a place is relative to the config.
  place.folder.write("conf/second.toml", read_file(place.at("conf/tiny.toml")) +
                                             "[optim]\nlr = 0.0\n");
  std::string text = read_file(place.at("conf/second.toml"));
  text.replace(text.find("[model]\n"), 8, "[model]\ninit = \"../run\"\n");
  place.folder.write("conf/second.toml", text);
  CHECK(place.run("mltrain", {"../conf/second.toml", "--out", "third"}, place.elsewhere).first ==
        0);
  const std::string picture = "../data/val/a/0.ppm";
  const auto text_form = place.run("mlinfer", {"predict", "../run", picture}, place.elsewhere);
  CHECK(text_form.first == 0);
  CHECK(contains(text_form.second, picture + "\n"));
  const auto json = place.run("mlinfer", {"predict", "../run/", picture, "--json", "--top-k", "2"},
                              place.elsewhere);
  CHECK(json.first == 0);
  CHECK(contains(json.second, "{\"file\": \"../data/val/a/0.ppm\", \"labels\": [{\"name\": "));
  const auto csv = place.run("mlinfer", {"predict", "../run", picture, "--csv", "--threshold", "0"},
                             place.elsewhere);
  CHECK(csv.first == 0);
  CHECK(std::count(csv.second.begin(), csv.second.end(), '\n') == 3);  // a header and two labels
  CHECK(place.run("mlinfer", {"info", "../run"}, place.elsewhere).first == 0);
  CHECK(place.run("mlinfer", {"predict", "../data", picture}, place.elsewhere).first == 3);
}

}  // namespace mld::test
