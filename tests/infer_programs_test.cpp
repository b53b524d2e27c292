// mlinfer from outside: predictions, evaluation, descriptions, and errors of bad input.
#include <algorithm>

#include "tests/program.h"
#include "train/checkpoint.h"

namespace mld::test {

TEST_CASE("predictions: text, JSON, CSV, bad pictures") {
  const TemporaryFolder folder;
  const std::string best = (trained_run() / "weights/best.safetensors").string();
  folder.write_picture("pictures/a.ppm", 30);
  folder.write_picture("pictures/\xc3\xa9\xff.ppm", 200);  // not UTF-8
  const std::string pictures = (folder.path() / "pictures").string();
  Program json("mlinfer", {"predict", best, pictures, "--json", "--top-k", "2"}, folder);
  REQUIRE(json.wait() == 0);
  const std::string lines = json.out();
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 2);
  CHECK(contains(lines, "\"above\": "));
  CHECK(contains(lines, "\\\\xff.ppm"));  // escaped, still JSON
  Program csv("mlinfer", {"predict", best, pictures, "--csv", "--top-k", "1"}, folder);
  REQUIRE(csv.wait() == 0);
  CHECK(csv.out().starts_with("file,label,id,score,above\n"));
  folder.write("pictures/broken.png", "\x89PNG\r\n\x1a\n nothing more");
  Program broken("mlinfer", {"predict", best, pictures}, folder);
  CHECK(broken.wait() == 3);
  CHECK(contains(broken.err(), "broken.png"));
  CHECK(contains(broken.out(), "a.ppm"));  // the others are done
}

TEST_CASE("of a single-label model only the best class is above, however low its score") {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "single.safetensors").string();
  LoadedModel loaded = model_from_checkpoint(trained_run() / "weights/best.safetensors");
  loaded.info.task = Task::single_label;
  loaded.info.thresholds.clear();
  save_model(path, state_dict(*loaded.model), loaded.info);
  folder.write_picture("a.ppm", 30);
  const auto count = [&](const std::vector<std::string>& more, const char* ending) {
    std::vector<std::string> arguments = {"predict", path, (folder.path() / "a.ppm").string(),
                                          "--csv"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Program program("mlinfer", arguments, folder);
    CHECK(program.wait() == 0);
    int found = 0;
    const std::string out = program.out();
    for (size_t at = out.find(ending); at != std::string::npos; at = out.find(ending, at + 1)) {
      ++found;
    }
    return found;
  };
  const std::vector<std::string> three = {"--top-k", "3"}, high = {"--threshold", "1"};
  CHECK(count({}, ",1\n") == 1);
  CHECK(count({}, ",0\n") == 0);
  CHECK(count(three, ",1\n") == 1);
  CHECK(count(three, ",0\n") == 2);
  CHECK(count(high, ",1\n") == 0);  // the user's own threshold counts
}

TEST_CASE("a score at the threshold is above it; below, only the best label is shown") {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "half.safetensors").string();
  LoadedModel loaded = model_from_checkpoint(trained_run() / "weights/best.safetensors");
  const StateDict trained = state_dict(*loaded.model);
  StateDict state = trained;
  for (auto& [name, tensor] : state) {  // all logits 0, all scores exactly a half
    if (name.starts_with(kTinyDecoder + ".duplicate_pooling")) {
      tensor = Tensor::zeros(tensor.shape());
    }
  }
  loaded.info.thresholds.clear();
  save_model(path, state, loaded.info);
  folder.write_picture("a.ppm", 30);
  const auto predicted = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"predict", path, (folder.path() / "a.ppm").string(),
                                          "--csv"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Program program("mlinfer", arguments, folder);
    CHECK(program.wait() == 0);
    return program.out();
  };
  const auto lines = [](const std::string& text) {
    return std::count(text.begin(), text.end(), '\n') - 1;  // after the header
  };
  const auto classes = static_cast<long>(loaded.info.class_names.size());
  CHECK(lines(predicted({})) == classes);  // the default is 0.5
  CHECK(contains(predicted({}), ",0.500000,1\n"));
  CHECK_FALSE(predicted({}).find(",0\n") != std::string::npos);
  CHECK(lines(predicted({"--threshold", "0.5"})) == classes);
  const std::string none = predicted({"--threshold", "0.500001"});
  CHECK(lines(none) == 1);
  CHECK(contains(none, ",0.500000,0\n"));
}

TEST_CASE("predictions of a folder of folders") {
  const TemporaryFolder folder;
  const std::string best = (trained_run() / "weights/best.safetensors").string();
  folder.write_picture("all/red/1.ppm", 30);
  folder.write("all/blue/noext", read_file(kFixtures / "pics/size_3x5.jpg"));
  folder.write("all/blue/x.webp", read_file(kFixtures / "pics/format_lossy.webp"));
  folder.write("all/._1.ppm", "a file system's own");
  const std::string all = (folder.path() / "all").string();
  Program program("mlinfer", {"predict", best, all, "--csv", "--top-k", "1"}, folder);
  REQUIRE(program.wait() == 0);
  const std::vector<std::string> lines = lines_of(folder.path() / "stdout");
  REQUIRE(lines.size() == 4);
  CHECK(lines[1].starts_with(all + "/blue/noext,"));
  CHECK(lines[2].starts_with(all + "/blue/x.webp,"));
  CHECK(lines[3].starts_with(all + "/red/1.ppm,"));
  CHECK(contains(program.err(), "left out: 1 hidden (._1.ppm)"));

  const std::string jpeg = read_file(kFixtures / "pics/size_17x31.jpg");
  folder.write("cut.jpg", jpeg.substr(0, jpeg.size() - 2));
  const std::string cut = (folder.path() / "cut.jpg").string();
  Program damaged("mlinfer", {"predict", best, cut}, folder);
  CHECK(damaged.wait() == 0);
  CHECK(contains(damaged.err(), "cut.jpg: JPEG: Premature end"));
  CHECK(contains(damaged.err(), "(outside the pixels, which are used)"));
  Program large("mlinfer", {"predict", best, cut, "--max-pixels", "500"}, folder);
  CHECK(large.wait() == 3);
  CHECK(contains(large.err(), "at most 500 are read (data.max_pixels; predict --max-pixels)"));
}

TEST_CASE("eval reads the run's own data, and refuses other classes and damaged files") {
  const TemporaryFolder folder;
  const fs::path best = trained_run() / "weights/best.safetensors";
  Program text("mlinfer", {"eval", best.string()}, folder);
  REQUIRE(text.wait() == 0);
  CHECK(contains(text.out(), "mAP_official"));
  Program json("mlinfer", {"eval", best.string(), "--json"}, folder);
  REQUIRE(json.wait() == 0);
  CHECK(contains(json.out(), "\"per_class\": ["));
  folder.write_picture("data/val/cat/a.ppm", 10);
  folder.write_picture("data/train/cat/a.ppm", 10);
  Program other("mlinfer", {"eval", best.string(), "--data", (folder.path() / "data").string()},
                folder);
  CHECK(other.wait() == 3);
  CHECK(contains(other.err(), "1 class is not in the class list of 36: cat"));
  std::string bytes = read_file(best);
  bytes[bytes.size() - 100] = static_cast<char>(bytes[bytes.size() - 100] ^ 1);
  folder.write("damaged.safetensors", bytes);
  const std::string damaged = (folder.path() / "damaged.safetensors").string();
  Program checksum("mlinfer", {"predict", damaged, (folder.path() / "data/val/cat").string()},
                   folder);
  CHECK(checksum.wait() == 3);
  CHECK(contains(checksum.err(), "damaged.safetensors"));
}

TEST_CASE("info describes checkpoints and models") {
  const TemporaryFolder folder;
  Program model("mlinfer", {"info", "--model", "resnet50", "--head", "ml_decoder", "--classes",
                            "80", "--image-size", "224"}, folder);
  REQUIRE(model.wait() == 0);
  CHECK(contains(model.out(), "30720144"));  // spec/backbones.md 6
  CHECK(contains(model.out(), "4.574"));
  const auto row = [](const char* name, const char* shape, int parameters, const char* macs) {
    return fmt::format("\n{:<43}  {:<18} {:>12} {:>10} ", name, shape, parameters, macs);
  };
  CHECK(contains(model.out(), row("layer1.0.conv2", "[56, 56, 64]", 36864, "115.606")));
  CHECK(contains(model.out(), row("max_pool", "[56, 56, 64]", 0, "0.000")));
  CHECK(contains(model.out(), row("total", "[80]", 30720144, "4574.122")));
  Program stages("mlinfer", {"info", "--model", "resnet18", "--stages"}, folder);
  REQUIRE(stages.wait() == 0);
  CHECK(contains(stages.out(), "\nlayer4  [14, 14, 512] "));
  CHECK(contains(stages.out(), "\nhead    [80] "));
  Program checkpoint("mlinfer", {"info", last(trained_run()).string()}, folder);
  REQUIRE(checkpoint.wait() == 0);
  CHECK(contains(checkpoint.out(), "red circle"));
  CHECK(contains(checkpoint.out(), "\n" + kTinyDecoder + ".layers.0.norm3  "));
}

TEST_CASE("eval: the command line's data keys hold for a data folder too") {
  const TemporaryFolder folder;
  const std::string best = (trained_run() / "weights/best.safetensors").string();
  const std::string shapes = (folder.path() / "shapes").string();
  REQUIRE(run("mltrain", {"shapes-export", shapes, "train=2", "val=12", "image_size=64"}, folder) ==
          0);
  const auto eval = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"eval", best, "--data", shapes, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Program program("mlinfer", arguments, folder);
    CAPTURE(program.err());
    const int code = program.wait();
    return std::pair(code, program.out());
  };
  const auto plain = eval({});
  CHECK(plain.first == 0);
  CHECK(contains(plain.second, "\"samples\": 12"));
  CHECK(eval({"data.val=nonsense"}).first == 3);
  CHECK(eval({"data.format=coco"}) == plain);
  CHECK(eval({"data.image_size=32"}) == plain);  // the checkpoint's own
  CHECK(eval({"data.image_size=64"}).second != plain.second);
}

TEST_CASE("what hostile names and checkpoints say reaches no terminal raw") {
  const TemporaryFolder folder;
  const std::string best = (trained_run() / "weights/best.safetensors").string();
  folder.write("pictures/\x1b]0;owned\x07.png", "no picture");
  Program names("mlinfer", {"predict", best, (folder.path() / "pictures").string()}, folder);
  CHECK(names.wait() == 3);
  CHECK(names.err().find('\x1b') == std::string::npos);
  CHECK(contains(names.err(), "owned"));
  Program longer("mlinfer", {"predict", best, std::string(5000, 'x')}, folder);
  CHECK(longer.wait() == 3);

  const auto described = [&](CheckpointInfo info) {
    const fs::path path = folder.path() / "hostile.safetensors";
    save_model(path, {}, info);
    Program program("mlinfer", {"info", path.string()}, folder);
    const int code = program.wait();
    CHECK((program.out() + program.err()).find('\x1b') == std::string::npos);
    return std::pair(code, program.err());
  };
  CheckpointInfo info = read_checkpoint_info(best);
  info.config = "name = \"\x1b[2J\"\n";
  CHECK(described(info).first == 0);
  info.model.backbone = "resnet\x1b";
  const auto unknown = described(info);
  CHECK(unknown.first == 3);
  CHECK(contains(unknown.second, "hostile.safetensors"));
  info.model.backbone = "resnet18";
  info.model.embed_dim = int64_t{1} << 50;
  CHECK(described(info).first == 3);
  info.model.embed_dim = 32;
  info.preprocess.image_size = 65535;
  CHECK(described(info).first == 3);
}

}  // namespace mld::test
