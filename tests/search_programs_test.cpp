// Labels that a model never saw, and search, as programs: SDL, word queries, fixed classes, CLIP.
#include <rapidjson/document.h>

#include <cmath>

#include "data/safetensors.h"
#include "data/tokenizer.h"
#include "models/clip.h"
#include "models/registry.h"
#include "tests/program.h"
#include "tests/tiny_clip.h"
#include "tests/tiny_vocabulary.h"
#include "train/checkpoint.h"

namespace mld::test {
namespace {

// A zero-shot checkpoint with random weights. Its words are far apart.
fs::path saved_model(const TemporaryFolder& folder, const std::string& head) {
  CheckpointInfo info;
  info.task = Task::zero_shot;
  info.preprocess.image_size = 32;
  info.model = {.backbone = "resnet18", .head = head, .classes = 2, .word_dim = 2,
                .embed_dim = 16, .ffn = 8, .query = QueryKind::nlp,
                .pooling = PoolingKind::shared, .principal_vectors = 3};
  info.set_label_space({.names = {"cat", "dog", "yak"}, .seen = {true, true, false},
                        .vectors = Tensor::from({3, 2}, std::vector<float>{1, 0, 0, 1, 0, -1})},
                       true);
  const auto model = make_model(info.model);
  initialize(*model, 7);
  const fs::path file = folder.path() / (head + ".safetensors");
  save_model(file, state_dict(*model), info);
  return file;
}

void write_pictures(const TemporaryFolder& folder) {
  for (int i = 0; i < 11; ++i) {
    folder.write_picture("pictures/" + std::to_string(i) + ".ppm", 20 * i);
  }
}

struct Ran {
  int code;
  std::string out, err;
};

Ran ran(const TemporaryFolder& folder, const std::vector<std::string>& arguments) {
  const Program program("mlinfer", arguments, folder, 0, folder.path());
  const int code = program.wait();
  return {code, program.out(), program.err()};
}

std::vector<std::pair<std::string, double>> ranking(const Ran& run) {
  REQUIRE(run.code == 0);
  std::vector<std::pair<std::string, double>> hits;
  for (size_t at = 0; at < run.out.size();) {
    const size_t end = run.out.find('\n', at);
    rapidjson::Document json;
    json.Parse(run.out.substr(at, end - at).c_str());
    hits.emplace_back(json["file"].GetString(), json["score"].GetDouble());
    at = end + 1;
  }
  return hits;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("predict: labels asked for, with marks of those not seen") {
  const TemporaryFolder folder;
  write_pictures(folder);
  folder.write("v.txt", "zebra 3 4\n");
  for (const std::string head : {"ml_decoder", "sdl"}) {
    CAPTURE(head);
    const std::string model = saved_model(folder, head).string();
    const Ran all = ran(folder, {"predict", model, "pictures/3.ppm", "--top-k", "9"});
    CHECK(all.code == 0);
    CHECK(has(all.out, "yak *\n"));
    CHECK(has(all.out, "cat\n"));
    for (const auto& [threshold, above] : {std::pair{"0", true}, {"1", false}}) {
      const Ran marked = ran(folder, {"predict", model, "pictures/3.ppm", "--top-k", "9",
                                      "--threshold", threshold});
      CHECK(has(marked.out, " % + cat\n") == above);
      CHECK(has(marked.out, " %   cat\n") != above);
    }
    const Ran some = ran(folder, {"predict", model, "pictures/3.ppm", "--labels", "zebra,dog",
                                  "--vectors", "v.txt", "--json", "--top-k", "9"});
    CHECK(some.code == 0);
    rapidjson::Document json;
    json.Parse(some.out.c_str());
    REQUIRE(json["labels"].Size() == 2);
    for (const auto& label : json["labels"].GetArray()) {
      const bool dog = std::string(label["name"].GetString()) == "dog";
      CHECK(label["seen"].GetBool() == dog);
      CHECK(label.HasMember("id") == dog);
    }
    const Ran csv = ran(folder, {"predict", model, "pictures/3.ppm", "--labels", "zebra",
                                 "--vectors", "v.txt", "--csv"});
    CHECK(csv.out.starts_with("file,label,id,score,above,seen\npictures/3.ppm,zebra,,0."));
    CHECK(csv.out.ends_with(",0\n"));
    const Ran unknown = ran(folder, {"predict", model, "pictures/3.ppm", "--labels", "zebra"});
    CHECK(unknown.code == static_cast<int>(ExitCode::usage));
    CHECK(has(unknown.err, "no word vector of zebra"));
  }
}

// A checkpoint whose six classes are known by words and by what is learned for their places.
fs::path saved_group_model(const TemporaryFolder& folder, QueryKind query, PoolingKind pooling,
                           int64_t groups) {
  CheckpointInfo info;
  info.preprocess.image_size = 32;
  info.model = {.backbone = "resnet18", .head = "ml_decoder", .classes = 6, .word_dim = 2,
                .groups = groups, .embed_dim = 16, .ffn = 8, .query = query, .pooling = pooling};
  std::vector<float> vectors;
  for (int i = 0; i < 6; ++i) {
    vectors.push_back(static_cast<float>(std::cos(i)));
    vectors.push_back(static_cast<float>(std::sin(i)));
  }
  info.set_label_space({.names = {"a", "b", "c", "d", "e", "f"},
                        .vectors = Tensor::from({6, 2}, vectors)}, true);
  const auto model = make_model(info.model);
  initialize(*model, 7);
  const fs::path file = folder.path() / "group.safetensors";
  save_model(file, state_dict(*model), info);
  return file;
}

TEST_CASE("predict: a label's score does not depend on which others are asked for") {
  const TemporaryFolder folder;
  write_pictures(folder);
  LoadedModel single = model_from_checkpoint(trained_run());
  single.info.task = Task::single_label;
  single.info.thresholds.clear();
  const std::string single_path = (folder.path() / "single.safetensors").string();
  save_model(single_path, state_dict(*single.model), single.info);
  std::vector<std::string> models{trained_run().string(), single_path};
  int form = 0;
  for (const QueryKind query : {QueryKind::nlp, QueryKind::random}) {
    for (const PoolingKind pooling :
         {PoolingKind::learned, PoolingKind::shared, PoolingKind::word}) {
      for (const int64_t groups : {6, 2}) {
        if (query == QueryKind::nlp || pooling == PoolingKind::word) {
          const fs::path to = folder.path() / (std::to_string(form++) + ".safetensors");
          fs::rename(saved_group_model(folder, query, pooling, groups), to);
          models.push_back(to.string());
        }
      }
    }
  }
  CHECK(models.size() == 10);
  for (const std::string& model : models) {
    CAPTURE(model);
    const std::vector<std::string> names = read_checkpoint_info(model).class_names;
    REQUIRE(names.size() > 2);
    const auto scores = [&](const std::vector<std::string>& more) {
      std::vector<std::string> arguments{"predict", model, "pictures/3.ppm", "--top-k", "999",
                                         "--threshold", "0.5", "--csv"};
      arguments.insert(arguments.end(), more.begin(), more.end());
      const Ran predicted = ran(folder, arguments);
      CHECK(predicted.code == 0);
      return predicted.out;
    };
    const std::string all = scores({}), some = scores({"--labels", names[2] + "," + names[0]});
    CHECK(std::ranges::count(some, '\n') == 3);
    for (size_t at = some.find('\n') + 1; at < some.size();) {
      const size_t end = some.find('\n', at);
      CAPTURE(some.substr(at, end - at));
      CHECK(has(all, "\n" + some.substr(at, end - at) + "\n"));
      at = end + 1;
    }
  }
}

TEST_CASE("search: the same pictures in the same order, from files and from kept embeddings") {
  const TemporaryFolder folder;
  write_pictures(folder);
  folder.write("v.txt", "zebra 3 4\n");
  for (const std::string head : {"ml_decoder", "sdl"}) {
    CAPTURE(head);
    const std::string model = saved_model(folder, head).string();
    const auto direct = ranking(ran(folder, {"search", model, "pictures", "--query", "dog, yak",
                                             "--top-k", "5", "--json"}));
    REQUIRE(direct.size() == 5);
    CHECK(std::ranges::is_sorted(direct, std::greater{}, [](const auto& hit) {
      return hit.second;
    }));
    const auto saving = ranking(ran(folder, {"search", model, "pictures", "--query", "dog,yak",
                                             "--top-k", "5", "--json", "--save-embeddings",
                                             "e.safetensors"}));
    CHECK(saving == direct);
    const auto kept = ranking(ran(folder, {"search", model, "e.safetensors", "--query", "dog,yak",
                                           "--top-k", "5", "--json"}));
    CHECK(kept == direct);
    const Ran other = ran(folder, {"search", model, "e.safetensors", "--query", "zebra",
                                   "--vectors", "v.txt"});
    CHECK(other.code == (head == "sdl" ? 0 : static_cast<int>(ExitCode::usage)));
    CHECK(has(other.err, "kept are the scores of 3 labels only") == (head != "sdl"));
  }
  // Those of SDL, with other weights.
  const Ran foreign = ran(folder, {"search", saved_model(folder, "ml_decoder").string(),
                                   "e.safetensors", "--query", "dog"});
  CHECK(foreign.code == static_cast<int>(ExitCode::usage));
  CHECK(has(foreign.err, "were not made by"));
}

TEST_CASE("search: damaged embeddings and odd requests are refused") {
  const TemporaryFolder folder;
  write_pictures(folder);
  const std::string model = saved_model(folder, "sdl").string();
  CHECK(ran(folder, {"search", model, "pictures", "--save-embeddings", "e.safetensors"}).code == 0);
  std::string bytes = read_file(folder.path() / "e.safetensors");
  bytes.resize(bytes.size() - 1);
  folder.write("cut.safetensors", bytes);
  // Fewer labels than numbers.
  folder.write("evil.safetensors", [] {
    const std::vector<uint8_t> file = to_safetensors(
        {{"embeddings", Tensor::zeros({1, 3})}, {"files", Tensor::zeros({2}, DType::u8)}},
        {{"format", "mldecoder-embeddings"}, {"format_version", "1"}, {"kind", "logits"},
         {"labels", "[\"cat\", \"dog\"]"}, {"weights", "00000000"}});
    return std::string(file.begin(), file.end());
  }());
  CHECK(has(ran(folder, {"search", model, "evil.safetensors", "--query", "dog"}).err,
            "2 labels for 3 numbers a picture"));
  const Ran nowhere = ran(folder, {"search", model, "pictures", "--query", "dog",
                                   "--save-embeddings", "nodir/e.safetensors"});
  CHECK(has(nowhere.err, "there is no folder nodir"));
  const Ran cut = ran(folder, {"search", model, "cut.safetensors", "--query", "dog"});
  CHECK(cut.code == static_cast<int>(ExitCode::data));
  CHECK(has(cut.err, "cut.safetensors"));
  CHECK(ran(folder, {"search", model, "pictures"}).code == static_cast<int>(ExitCode::usage));
  const Ran again = ran(folder, {"search", model, "e.safetensors", "--query", "dog",
                                 "--save-embeddings", "f.safetensors"});
  CHECK(has(again.err, "are embeddings already"));
  folder.write("pictures/bad.jpg", "no picture");
  const Ran bad = ran(folder, {"search", model, "pictures", "--query", "dog", "--top-k", "2"});
  CHECK(bad.code == static_cast<int>(ExitCode::data));
  CHECK(std::ranges::count(bad.out, '\n') == 2);
  CHECK(has(bad.err, "bad.jpg"));
}

TEST_CASE("predict and search with a CLIP's weights and no training") {
  const TemporaryFolder folder;
  write_clip(folder);
  write_pictures(folder);
  const std::vector<std::string> common{"--vocabulary", "bpe.txt", "--json"};
  const auto with = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), common.begin(), common.end());
    return ran(folder, arguments);
  };
  const Ran run = with({"predict", "clip.safetensors", "pictures/3.ppm", "--labels",
                        "a dog,zebra,tennis racket", "--top-k", "9"});
  REQUIRE(run.code == 0);
  rapidjson::Document json;
  json.Parse(run.out.c_str());
  double sum = 0;
  for (const auto& label : json["labels"].GetArray()) {
    sum += label["score"].GetDouble();
  }
  CHECK(json["labels"].Size() == 3);
  CHECK(sum == doctest::Approx(1).epsilon(1e-5));
  const auto direct = ranking(with({"search", "clip.safetensors", "pictures", "--query",
                                    "dogs on a beach", "--prompt", "{}", "--top-k", "4"}));
  CHECK(direct.size() == 4);
  CHECK(ran(folder, {"search", "clip.safetensors", "pictures", "--save-embeddings",
                     "e.safetensors"}).code == 0);
  CHECK(ranking(with({"search", "clip.safetensors", "e.safetensors", "--query", "dogs on a beach",
                      "--prompt", "{}", "--top-k", "4"})) == direct);
  CHECK(has(with({"predict", "clip.safetensors", "pictures"}).err, "no labels of its own"));
  for (const char* command : {"info", "eval"}) {
    CHECK(has(ran(folder, {command, "clip.safetensors"}).err, "predict and search read it"));
  }
  CHECK(has(with({"predict", "clip.safetensors", "pictures", "--labels", "dog"}).err,
            "one label alone"));
  CHECK(has(ran(folder, {"predict", "clip.safetensors", "pictures", "--labels", "dog,cat"}).err,
            "--vocabulary"));
  CHECK(has(with({"predict", "clip.safetensors", "pictures", "--labels", "dog,cat", "--vectors",
                  "v.txt"}).err, "--vectors: a CLIP"));
  CHECK(has(with({"attention", "clip.safetensors", "pictures/3.ppm", "--label", "dog"}).err,
            "attention: a CLIP has none"));
  CHECK(has(with({"predict", saved_model(folder, "sdl").string(), "pictures"}).err,
            "--vocabulary: "));
  std::string words;
  for (int i = 0; i < 80; ++i) {
    words += "word ";
  }
  CHECK(has(with({"predict", "clip.safetensors", "pictures", "--labels", words + ",cat"}).err,
            "75"));
}

}  // namespace mld::test
