#include "app/check.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/class_table.h"
#include "app/program.h"
#include "app/terminal.h"
#include "core/kernels.h"
#include "core/memory.h"
#include "data/formats/format.h"
#include "data/split_warnings.h"
#include "data/text.h"
#include "models/summary.h"
#include "train/disk_space.h"
#include "train/memory.h"
#include "train/objective.h"
#include "train/run_data.h"
#include "train/run_log.h"
#include "train/start_weights.h"

namespace mld {

static void print_split(const char* name, const Dataset& data, const DatasetReport& report) {
  print(stdout, "{}: {}, {:.2f} labels each\n", name, counted(report.samples, "picture"),
        report.labels_per_sample());
  for (const std::string& note : data.notes()) {
    print(stdout, "  {}\n", note);
  }
  if (report.largest_side > 0) {
    print(stdout, "  sides from {} to {} pixels\n", report.smallest_side, report.largest_side);
  }
  print(stdout, "{}", class_table(report.class_names, report.positives, stdout_style().utf8));
  for (size_t n = 0; n < report.label_histogram.size(); ++n) {
    if (report.label_histogram[n] > 0) {
      print(stdout, "  {}: {}\n", counted(static_cast<int64_t>(n), "label"),
            report.label_histogram[n]);
    }
  }
  for (const std::string& note : report.picture_notes()) {
    print(stdout, "  {}\n", note);
  }
  for (const BadPicture& bad : report.bad) {
    print(stdout, "  bad picture: {}\n", printable(bad.error));
  }
}

// Seconds per update, estimated from two small updates on this machine: a fixed time, and a time
// that grows with the multiply-adds.
static double estimated_step(const Config& config, int64_t classes, Device device, int64_t macs) {
  constexpr int64_t kFew = 2, kMore = 6, kLargestSide = 224, kSmallestSide = 64;
  constexpr int64_t kMostMacs = 200'000'000'000;  // a second or two
  constexpr size_t kMostMemory = size_t{3} << 29;
  Config small = config;
  small.optim.grad_accum_steps = 1;
  small.preprocess.eval_size = 0;
  small.train.batch_size = kMore;
  small.preprocess.image_size = std::min(config.preprocess.image_size, kLargestSide);
  TrainingNeeds needs = training_needs(small, classes, device, 0);
  while (small.preprocess.image_size / 2 >= kSmallestSide &&
         (needs.macs > kMostMacs || needs.on(device) > kMostMemory)) {
    small.preprocess.image_size /= 2;
    needs = training_needs(small, classes, device, 0);
  }
  Rehearsal run(small, classes, device);
  const auto seconds = [&](int64_t images) {
    run.update(images, small.preprocess.image_size);  // warm-up: fills caches for this shape
    const double start = monotonic_seconds();
    run.update(images, small.preprocess.image_size);
    return monotonic_seconds() - start;
  };
  const double few = seconds(kFew), more = seconds(kMore);
  const double picture = std::clamp((more - few) / (kMore - kFew), 0.0, more / kMore);
  const double fixed = more - kMore * picture;
  return fixed + picture * kMore * static_cast<double>(macs) / static_cast<double>(needs.macs);
}

struct StepCheck {
  double seconds = 0;  // estimated, per update
  bool fits = true;    // into free memory
};

// Prints the cost of the model and of a step.
static StepCheck check_step(const Config& config, const RunData& data, Device device) {
  const ModelSpec& spec = data.model;
  const int64_t classes = spec.classes;
  const size_t data_bytes = data.bytes();
  const int64_t side = config.preprocess.image_size;
  const ModelSummary summary = model_summary(spec, side, side);
  print(stdout, "model: {} + {}, {} classes, {:.2f} M parameters, {:.3f} GMAC a picture\n",
        spec.backbone, spec.head, classes, static_cast<double>(summary.total.parameters) / 1e6,
        static_cast<double>(summary.total.macs) / 1e9);
  const TrainingNeeds needs = training_needs(config, classes, device, data_bytes);
  print(stdout, "memory: {:.2f} GiB on {} are predicted for training with train.batch_size = {}, "
        "{:.2f} GiB for scoring\n", static_cast<double>(needs.on(device)) / 0x1p30, device.str(),
        config.train.batch_size,
        static_cast<double>(scoring_needs(config, classes, device)) / 0x1p30);
  const std::string shortage = memory_shortage(config, classes, device, data_bytes,
                                               memory_pool(device).free_bytes());
  if (!shortage.empty()) {
    print(stdout, "{}\n", shortage);
  }
  std::fflush(stdout);
  const double seconds = estimated_step(config, classes, device, needs.macs);
  print(stdout, "step: about {:.0f} ms (estimated from smaller ones by multiply-adds)\n",
        seconds * 1e3);
  std::fflush(stdout);
  return {seconds, shortage.empty()};
}

// Prints how long a run takes. `decode`: seconds to load a training picture on one thread.
static void print_estimate(const Config& config, const RunData& data, double step,
                           double decode) {
  const int64_t steps = data.train->batches_per_epoch();
  // A forward pass is about a third of a training step; val is scored with and without averaging.
  const double validations = static_cast<double>(data.val->batches_per_epoch()) / 3 *
                             (config.train.model_ema_decay > 0 ? 2 : 1) /
                             static_cast<double>(config.train.val_interval);
  // Pictures that are not cached are loaded in every epoch, if necessary by the compute threads.
  const double pictures = static_cast<double>(data.splits.train->size());
  const double loading =
      data.train->cache_bytes() > 0 ? 0 : decode * pictures / usable_processors();
  const double epoch = (static_cast<double>(steps) + validations) * step + loading;
  const int64_t epochs = all_epochs(config.schedule, config.train.epochs);
  print(stdout, "estimate: {} steps an epoch, {:.1f} minutes an epoch, {:.1f} minutes in all\n",
        steps, epoch / 60, epoch / 60 * static_cast<double>(epochs));
}

// Prints a split; returns its bad pictures if they are more than the config allows, else 0.
static int64_t check_split(const char* name, const Dataset& data, const Config& config,
                           double* decode_seconds = nullptr) {
  const DatasetReport report = inspect(data, true);
  print_split(name, data, report);
  if (decode_seconds != nullptr && report.samples > 0) {
    *decode_seconds = report.decode_seconds / static_cast<double>(report.samples);
  }
  const LoadingSpec& loading = config.loading;
  const double allowed =
      loading.on_bad_image == OnBadImage::skip ? loading.max_bad_fraction : 0.0;
  const auto bad = static_cast<int64_t>(report.bad.size());
  return static_cast<double>(bad) > allowed * static_cast<double>(report.samples) ? bad : 0;
}

static void print_unused(const Config& config, std::span<const Dataset* const> splits) {
  const DataOptions options = data_options(config);
  if (format_of(options).detect == nullptr) {
    return;  // a format without files
  }
  const std::vector<std::string> unused = unused_pictures(options.root, splits);
  if (!unused.empty()) {
    print(stdout, "{} below data.root used by no split: {}\n",
          counted(std::ssize(unused), "picture"), printable(name_list(unused)));
  }
}

// Checks the run's initial weights; returns the disk space it will take. Errors: as training's.
static RunBytes check_start(const Config& config, const RunData& data) {
  const auto model = make_trained_model(config, data.model);
  if (has_start_weights(config.init)) {
    initialize(*model, static_cast<uint64_t>(config.seed));
    load_start_weights(*model, config.init, data.splits.train->class_names());
  }
  return run_bytes(*model, config);
}

// Also compares pictures by their bytes.
static void print_warnings(const Splits& splits, const Dataset* test) {
  std::vector<std::string> warnings = splits.warnings;
  warnings.push_back(same_pictures_warning(*splits.train, *splits.val, "val"));
  if (test != nullptr) {
    warnings.push_back(same_pictures_warning(*splits.train, *test, "test"));
  }
  for (const std::string& warning : warnings) {
    if (!warning.empty()) {
      print(stdout, "warning: {}\n", warning);
    }
  }
}

ExitCode check_run(const Config& given, Device device) {
  backend(device).set_deterministic(given.train.deterministic);  // fails without such a device
  const RunData data = open_run_data(given);
  Config config = given;
  config.model.word_dim = data.model.word_dim;
  std::unique_ptr<Dataset> test;
  if (!config.data.test.empty()) {
    DataOptions options = data_options(config, data.splits.train->label_space());
    options.known_classes = options.label_space.names;
    test = open_dataset(options, "test", Purpose::evaluation);
    check_labels(config.task, *test);
  }
  const RunBytes files = check_start(config, data);
  const StepCheck step = check_step(config, data, device);
  double decode_seconds = 0;
  int64_t bad = check_split("train", *data.splits.train, config, &decode_seconds);
  bad += check_split("val", *data.splits.val, config);
  if (test) {
    bad += check_split("test", *test, config);
  }
  print_warnings(data.splits, test.get());
  std::vector<const Dataset*> splits = {data.splits.train.get(), data.splits.val.get()};
  if (test) {
    splits.push_back(test.get());
  }
  print_unused(config, splits);
  if (bad > 0) {
    print(stdout, "{}: more than data.on_bad_image and data.max_bad_fraction allow\n",
          counted(bad, "bad picture"));
    return ExitCode::data;
  }
  print_estimate(config, data, step.seconds, decode_seconds);
  const std::optional<int64_t> free = free_disk_bytes("runs");
  print(stdout, "disk: the run's files take up to {:.0f} MiB{}\n",
        static_cast<double>(files.most()) / (1 << 20),
        free ? fmt::format("; {} MiB are free in runs/", *free >> 20) : "");
  return step.fits ? ExitCode::ok : ExitCode::memory;
}

}  // namespace mld
