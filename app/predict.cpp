// mlinfer predict: the labels of pictures.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <set>

#include "app/infer.h"
#include "app/program.h"
#include "app/progress.h"
#include "core/kernels.h"
#include "data/json_writer.h"
#include "data/loader.h"
#include "data/picture_files.h"
#include "data/text.h"
#include "train/checkpoint.h"
#include "train/finite.h"
#include "train/objective.h"
#include "train/thresholds.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

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

// [K]: the given threshold for all classes, else those of the checkpoint; none for a single-label
// model, whose answer is the best class.
std::vector<double> thresholds_of(const PredictCommand& command, const CheckpointInfo& info) {
  if (!command.threshold && info.task == Task::single_label) {
    return {};
  }
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
// and always the best one.   scores [K], thresholds [K] or none: only the best is above
std::vector<Prediction> choose(std::span<const float> scores, std::span<const double> thresholds,
                               std::optional<int64_t> top_k) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](size_t id) { return scores[id]; });
  std::vector<Prediction> chosen;
  for (const size_t id : order) {
    const bool above = thresholds.empty() ? chosen.empty() : scores[id] >= thresholds[id];
    if (top_k ? static_cast<int64_t>(chosen.size()) < *top_k : above || chosen.empty()) {
      chosen.push_back({static_cast<int64_t>(id), scores[id], above});
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
std::vector<float> scores_of(Objective& objective, const Tensor& pixels,
                             const std::function<std::string(int64_t row)>& name) {
  const Tensor outputs = objective.outputs(pixels);
  check_outputs(outputs.to_vector(), outputs.shape()[-1], name);
  return objective.scores(outputs).to_vector();
}

// The files as a data set without labels, for the loader.
class PictureFiles : public Dataset {
 public:
  PictureFiles(std::vector<fs::path> files, const DecodeOptions& decode)
      : Dataset({}), files_(std::move(files)), decode_(decode) {}

  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  std::span<const LabelEntry> labels(int64_t) const override { return {}; }
  Image load(int64_t i) const override { return load_image(path(i), decode_); }
  std::string source(int64_t i) const override { return path(i).native(); }
  const fs::path& path(int64_t i) const { return files_[static_cast<size_t>(i)]; }

 private:
  std::vector<fs::path> files_;
  DecodeOptions decode_;
};

// Beside a GPU, threads read ahead. On the CPU the compute threads decode a batch, then compute:
// Note [Workers] in data/loader.h. Nothing is kept of a batch once it is done.
LoaderOptions reading(const Preprocess& preprocess, Device device) {
  LoaderOptions options;
  options.batch_size = device.is_cpu() ? 8 : 32;
  options.preprocess = preprocess;
  options.cache_bytes = 0;
  options.loading.on_bad_image = OnBadImage::skip;
  options.loading.max_bad_fraction = 1;
  if (!device.is_cpu()) {
    options.compute_threads = 0;  // they wait for the GPU
  }
  return options;
}

// Tells of each bad or damaged picture once.
class Complaints {
 public:
  Complaints(const Loader& loader, PictureProgress& progress)
      : loader_(loader), progress_(progress) {}

  // Returns whether there were bad ones so far.
  bool tell() {
    for (const BadPicture& bad : loader_.bad_pictures()) {
      if (told_.insert(bad.sample).second) {
        progress_.print("mlinfer: " + printable_lines(bad.error));
      }
    }
    for (const auto& [sample, damage] : loader_.harmless_damage()) {
      if (told_.insert(sample).second) {
        progress_.print("mlinfer: " + printable(damage) + " (outside the pixels, which are used)");
      }
    }
    return !loader_.bad_pictures().empty();
  }

 private:
  const Loader& loader_;
  PictureProgress& progress_;
  std::set<int64_t> told_;
};

// Results that scroll by on the terminal are progress enough.
TerminalStyle progress_style() {
  TerminalStyle style = stderr_style();
  style.terminal = style.terminal && ::isatty(STDOUT_FILENO) == 0;
  return style;
}

}  // namespace

ExitCode execute(const PredictCommand& command) {
  use_threads(0);
  const Device device = parse_device(command.device);
  LoadedModel loaded = model_from_checkpoint(command.checkpoint);
  to(*loaded.model, device);
  fold_batch_norm(*loaded.model);
  Config config = config_of(loaded.info);
  config.train.precision = command.precision;
  const auto objective = make_objective(config, *loaded.model);
  const std::vector<double> thresholds = thresholds_of(command, loaded.info);
  const Preprocess preprocess = for_evaluation(loaded.info.preprocess);
  const PictureFiles files(
      picture_paths(command.pictures),
      decode_options(preprocess, command.max_pixels.value_or(ImageLimits{}.max_pixels)));
  Loader loader(files, reading(preprocess, device));
  PictureProgress progress({progress_style(), write_stderr, monotonic_seconds}, files.size());
  Complaints complaints(loader, progress);
  if (command.csv) {
    print(stdout, "file,label,id,score,above\n");
  }
  loader.start(0);
  while (const auto batch = loader.next()) {
    complaints.tell();
    const auto file = [&](int64_t row) -> const fs::path& {
      return files.path(batch->indices[static_cast<size_t>(row)]);
    };
    const std::vector<float> scores =
        scores_of(*objective, batch->images.to(device), [&](int64_t row) { return file(row); });
    const size_t K = loaded.info.class_names.size();
    for (size_t row = 0; row < batch->indices.size(); ++row) {
      print_labels(file(static_cast<int64_t>(row)),
                   choose(std::span(scores).subspan(row * K, K), thresholds, command.top_k),
                   loaded.info.class_names, command);
    }
    progress.done(batch->indices.back() + 1);
  }
  progress.clear();
  return complaints.tell() ? ExitCode::data : ExitCode::ok;
}

}  // namespace mld
