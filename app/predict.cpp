// mlinfer predict: the labels of pictures.
#include <algorithm>
#include <filesystem>
#include <numeric>

#include "app/infer.h"
#include "app/program.h"
#include "data/json_writer.h"
#include "data/picture_files.h"
#include "data/text.h"
#include "train/checkpoint.h"
#include "train/finite.h"
#include "train/objective.h"
#include "train/thresholds.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kBatch = 8;

// Files as given, and the pictures in and below given folders.
std::vector<fs::path> picture_paths(const std::vector<std::string>& given) {
  std::vector<fs::path> pictures;
  for (const std::string& name : given) {
    std::error_code unreadable;  // reported when the picture is opened
    if (!fs::is_directory(name, unreadable)) {
      pictures.emplace_back(name);
      continue;
    }
    LeftOut left_out;
    const std::vector<std::string> found = list_pictures(name, name, left_out);
    require<DataError>(!found.empty(), "{}: no picture in this folder{}{}", printable(name),
                       left_out.empty() ? "" : "; left out: ", left_out.text());
    if (!left_out.empty()) {
      print(stderr, "mlinfer: {}: left out: {}\n", printable(name), left_out.text());
    }
    for (const std::string& picture : found) {
      pictures.push_back(fs::path(name) / picture);
    }
  }
  return pictures;
}

// [K]: the given threshold for all classes, else those of the checkpoint.
std::vector<double> thresholds_of(const PredictCommand& command, const CheckpointInfo& info) {
  if (!command.threshold && !info.thresholds.empty()) {
    return info.thresholds;
  }
  return std::vector<double>(info.class_names.size(),
                             command.threshold.value_or(kDefaultThreshold));
}

struct Prediction {
  int64_t id;
  float score;
  bool above;
};

// The labels to show, best first: the best `top_k`, or those with at least their class's threshold
// and always the best one.   thresholds [K]
std::vector<Prediction> choose(const float* scores, std::span<const double> thresholds,
                               std::optional<int64_t> top_k) {
  std::vector<int64_t> order(thresholds.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  std::vector<Prediction> chosen;
  for (const int64_t id : order) {
    const bool above = scores[id] >= thresholds[static_cast<size_t>(id)];
    if (top_k ? static_cast<int64_t>(chosen.size()) < *top_k : above || chosen.empty()) {
      chosen.push_back({id, scores[id], above});
    }
  }
  return chosen;
}

void print_labels(const fs::path& file, const std::vector<Prediction>& labels,
                  const std::vector<std::string>& names, const PredictCommand& command) {
  const auto name = [&](const Prediction& p) { return names[static_cast<size_t>(p.id)]; };
  if (command.json) {
    JsonWriter json;
    json.object().member("file", file.native()).key("labels").array();
    for (const Prediction& p : labels) {
      json.object().member("name", name(p)).member("id", p.id).member("score", rounded(p.score));
      json.member("above", p.above).end();
    }
    print(stdout, "{}\n", json.end().end().text());
    return;
  }
  if (command.csv) {
    for (const Prediction& p : labels) {
      print(stdout, "{},{},{},{:.6f},{:d}\n", csv_field(file.native()), csv_field(name(p)), p.id,
            p.score, p.above);
    }
    return;
  }
  print(stdout, "{}\n", printable(file.native()));
  for (const Prediction& p : labels) {
    print(stdout, "  {:5.1f} % {} {}\n", 100.0 * static_cast<double>(p.score),
          p.above ? '*' : ' ', printable(name(p)));
  }
}

// Pictures [n, S, S, 3] to scores [n, K]. Errors: as check_outputs.
std::vector<float> scores_of(Objective& objective, const std::vector<Image>& pictures,
                             const std::vector<fs::path>& names) {
  const int64_t n = static_cast<int64_t>(pictures.size()), S = pictures[0].width;
  Tensor pixels({n, S, S, 3}, DType::u8);
  for (int64_t i = 0; i < n; ++i) {
    const std::vector<uint8_t>& rgb = pictures[static_cast<size_t>(i)].rgb;
    std::copy(rgb.begin(), rgb.end(), pixels.data<uint8_t>() + i * S * S * 3);
  }
  const Tensor outputs = objective.outputs(pixels);
  check_outputs(outputs.to_vector(), outputs.shape()[-1],
                [&](int64_t i) { return names[static_cast<size_t>(i)].native(); });
  return objective.scores(outputs).to_vector();
}

}  // namespace

ExitCode execute(const PredictCommand& command) {
  use_threads(0);
  const std::vector<fs::path> files = picture_paths(command.pictures);
  LoadedModel loaded = model_from_checkpoint(command.checkpoint);
  fold_batch_norm(*loaded.model);
  const auto objective = make_objective(config_of(loaded.info), *loaded.model);
  const std::vector<double> thresholds = thresholds_of(command, loaded.info);
  if (command.csv) {
    print(stdout, "file,label,id,score,above\n");
  }
  ExitCode code = ExitCode::ok;
  std::vector<Image> pictures;
  std::vector<fs::path> names;
  const auto flush = [&] {
    if (pictures.empty()) {
      return;
    }
    const std::vector<float> scores = scores_of(*objective, pictures, names);
    for (size_t i = 0; i < names.size(); ++i) {
      print_labels(names[i], choose(&scores[i * thresholds.size()], thresholds, command.top_k),
                   loaded.info.class_names, command);
    }
    pictures.clear();
    names.clear();
  };
  const DecodeOptions decode = decode_options(
      loaded.info.preprocess, command.max_pixels.value_or(ImageLimits{}.max_pixels));
  for (const fs::path& file : files) {
    try {
      const Image picture = load_image(file, decode);
      if (!picture.facts.damage.empty()) {
        print(stderr, "mlinfer: {}: damaged outside its pixels, which are used: {}\n",
              printable(file.native()), printable(picture.facts.damage));
      }
      pictures.push_back(to_square(picture, loaded.info.preprocess));
      names.push_back(file);
    } catch (const DataError& error) {
      print(stderr, "mlinfer: {}\n", printable_lines(error.what()));
      code = ExitCode::data;
    }
    if (static_cast<int64_t>(pictures.size()) == kBatch) {
      flush();
    }
  }
  flush();
  return code;
}

}  // namespace mld
