// mlinfer predict as a program: devices, precisions, many pictures.
#include <rapidjson/document.h>

#include <map>

#include "core/kernels.h"
#include "tests/program.h"
#include "train/checkpoint.h"

namespace mld::test {
namespace {

// Score by file name and label.
std::map<std::string, double> scores_of(const TemporaryFolder& folder, const std::string& pictures,
                                        const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"predict", trained_run().string(), pictures, "--json",
                                        "--top-k", "1000"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Program program("mlinfer", arguments, folder);
  REQUIRE(program.wait() == 0);
  std::map<std::string, double> scores;
  for (const std::string& line : lines_of(folder.path() / "stdout")) {
    rapidjson::Document json;
    json.Parse(line.c_str());
    for (const auto& label : json["labels"].GetArray()) {
      scores[std::string(json["file"].GetString()) + label["name"].GetString()] =
          label["score"].GetDouble();
    }
  }
  return scores;
}

double largest_difference(const std::map<std::string, double>& a,
                          const std::map<std::string, double>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (const auto& [name, score] : a) {
    REQUIRE(b.contains(name));
    largest = std::max(largest, std::abs(score - b.at(name)));
  }
  return largest;
}

// Eleven pictures: a whole batch and a part of one.
std::string some_pictures(const TemporaryFolder& folder) {
  for (int i = 0; i < 11; ++i) {
    folder.write_picture("pictures/" + std::to_string(i) + ".ppm", 20 * i);
  }
  return (folder.path() / "pictures").string();
}

}  // namespace

TEST_CASE("predict in bfloat16: almost the same scores, but not in float32's digits") {
  const TemporaryFolder folder;
  const std::string pictures = some_pictures(folder);
  const auto single = scores_of(folder, pictures, {"--device", "cpu"});
  CHECK(single.size() == 11 * read_checkpoint_info(trained_run()).class_names.size());
  const double difference = largest_difference(
      single, scores_of(folder, pictures, {"--device", "cpu", "--precision", "bf16"}));
  CHECK(difference > 1e-6);
  CHECK(difference < 0.03);
  Program eval("mlinfer", {"eval", trained_run().string(), "--precision", "bf16", "--json"},
               folder);
  CHECK(eval.wait() == 0);
}

TEST_CASE("predict on a device: the scores of the CPU") {
  if (parse_device("auto").is_cpu()) {
    MESSAGE("SKIPPED: no CUDA device here");
    return;
  }
  const TemporaryFolder folder;
  const std::string pictures = some_pictures(folder);
  folder.write("pictures/broken.png", "\x89PNG\r\n\x1a\n nothing more");
  const auto there = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"predict", trained_run().string(), pictures};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Program program("mlinfer", arguments, folder);
    CHECK(program.wait() == 3);
    CHECK(contains(program.err(), "broken.png"));
  };
  there({"--device", "cuda"});
  fs::remove(folder.path() / "pictures/broken.png");
  const auto cpu = scores_of(folder, pictures, {"--device", "cpu"});
  CHECK(largest_difference(cpu, scores_of(folder, pictures, {"--device", "cuda"})) < 1e-4);
  CHECK(largest_difference(cpu, scores_of(folder, pictures, {})) < 1e-4);
  CHECK(largest_difference(
            cpu, scores_of(folder, pictures, {"--device", "cuda", "--precision", "bf16"})) < 0.03);
}

TEST_CASE("errors: predict on a device that is not there") {
  const TemporaryFolder folder;
  folder.write_picture("a.ppm", 30);
  Program program("mlinfer", {"predict", trained_run().string(),
                              (folder.path() / "a.ppm").string(), "--device", "cuda:99"}, folder);
  CHECK(program.wait() != 0);
  CHECK(contains(program.err(), "cuda"));
  Program word("mlinfer", {"predict", trained_run().string(), (folder.path() / "a.ppm").string(),
                           "--device", "gpu"}, folder);
  CHECK(word.wait() == 2);
}

TEST_CASE("ten times as many pictures take no more memory, and keep their order") {
  // 128 pixels, so that holding what the model sees of all pictures would take 25 MiB more, and
  // holding the pictures themselves 250.
  const TemporaryFolder folder;
  LoadedModel loaded = model_from_checkpoint(trained_run());
  loaded.info.preprocess.image_size = 128;
  const std::string checkpoint = (folder.path() / "large.safetensors").string();
  save_model(checkpoint, state_dict(*loaded.model), loaded.info);
  const fs::path picture = folder.path() / "one.ppm";
  folder.write("one.ppm", "P6 400 400 255\n" + std::string(3 * 400 * 400, '\x50'));
  const auto peak_mib = [&](int pictures) {
    const fs::path many = folder.path() / std::to_string(pictures);
    fs::create_directories(many);
    for (int i = 0; i < pictures; ++i) {
      fs::create_hard_link(picture, many / fmt::format("{:05}.ppm", i));
    }
    const Program program("mlinfer", {"predict", checkpoint, many.string(), "--csv", "--top-k",
                                      "1", "--device", "cpu"}, folder);
    CHECK(program.wait() == 0);
    const std::vector<std::string> lines = lines_of(folder.path() / "stdout");
    REQUIRE(lines.size() == static_cast<size_t>(pictures) + 1);
    for (int i = 0; i < pictures; ++i) {
      CHECK(lines[static_cast<size_t>(i) + 1].find(fmt::format("/{:05}.ppm,", i)) !=
            std::string::npos);
    }
    return 1024 * program.peak_gib();
  };
  const double few = peak_mib(60), many = peak_mib(600);
  MESSAGE("60 pictures: ", few, " MiB; 600: ", many, " MiB");
#if !defined(__SANITIZE_ADDRESS__)
  CHECK(many < few + 8);
#endif
}

}  // namespace mld::test
