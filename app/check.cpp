#include "app/check.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>

#include "app/class_table.h"
#include "autograd/ops.h"
#include "core/kernels.h"
#include "core/memory.h"
#include "data/text.h"
#include "optim/ema.h"
#include "optim/optimizer.h"
#include "train/assemble.h"
#include "train/disk_space.h"
#include "train/run_data.h"

namespace mld {

static void print_split(const char* name, const Dataset& data, const DatasetReport& report) {
  std::printf("%s: %s, %.2f labels each\n", name, counted(report.samples, "picture").c_str(),
              report.labels_per_sample());
  for (const std::string& note : data.notes()) {
    std::printf("  %s\n", note.c_str());
  }
  if (report.largest_side > 0) {
    std::printf("  sides from %d to %d pixels\n", report.smallest_side, report.largest_side);
  }
  std::fputs(class_table(report.class_names, report.positives).c_str(), stdout);
  for (size_t n = 0; n < report.label_histogram.size(); ++n) {
    if (report.label_histogram[n] > 0) {
      std::printf("  %zu labels: %ld\n", n, static_cast<long>(report.label_histogram[n]));
    }
  }
  for (const BadPicture& bad : report.bad) {
    std::printf("  bad picture: %s\n", printable(bad.error).c_str());
  }
}

// What the run will hold besides a step's tensors, and how long things take.
struct Costs {
  double step_seconds = 0;     // of a whole batch
  double decode_seconds = 0;   // of one training picture, one thread
  size_t tensor_bytes = 0;     // peak
  size_t cache_bytes = 0;      // of loaded pictures
};

// Measures training steps on empty pictures: the arithmetic is the same.
static void measure_step(const Config& config, const ModelSpec& spec, Device device,
                         Costs& costs) {
  const std::unique_ptr<Classifier> model = make_model(spec);
  initialize(*model, static_cast<uint64_t>(config.seed));
  to(*model, device);
  set_training(*model, true);
  const auto optimizer = make_optimizer({.name = config.optim.name}, *model);
  std::optional<Ema> average;
  if (config.train.model_ema_decay > 0) {
    average.emplace(*model, config.train.model_ema_decay);
  }
  const int64_t N = (config.train.batch_size + config.optim.grad_accum_steps - 1) /
                    config.optim.grad_accum_steps;
  const int64_t S = config.preprocess.image_size;
  const int64_t K = spec.classes;
  const Tensor images = Tensor::full({N, S, S, 3}, 0.5f, config.train.precision, device);
  Tensor targets = Tensor::zeros({N, K});
  for (int64_t n = 0; n < N; ++n) {
    targets.data<float>()[n * K + n % K] = 1;
  }
  targets = shaped_targets(config.loss, targets).to(device);
  for (int step = 0; step < 3; ++step) {  // the first one builds what is cached by shape
    backend(device).synchronize(device.index);
    const auto start = std::chrono::steady_clock::now();
    Tape tape;
    tape.backward(loss(config.loss, cast((*model)(tape.constant(images)), DType::f32), targets, 1));
    optimizer->step({.lr = 0, .beta1 = 0.9});
    clear_gradients(*model);
    if (average) {
      average->update();
    }
    backend(device).synchronize(device.index);
    costs.step_seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  costs.step_seconds *= static_cast<double>(config.optim.grad_accum_steps);
  costs.tensor_bytes = memory_pool(device).stats().peak;
}

static void print_estimate(const Config& config, const RunData& run, Costs costs, Device device) {
  const Splits& data = run.splits;
  ModelSpec spec = config.model;
  spec.classes = static_cast<int64_t>(data.train->class_names().size());
  const ModelSummary summary = model_summary(spec, config.preprocess.image_size);
  std::printf("model: %s + %s, %ld classes, %.2f M parameters, %.3f GMAC a picture\n",
              spec.backbone.c_str(), spec.head.c_str(), static_cast<long>(spec.classes),
              static_cast<double>(summary.parameters) / 1e6,
              static_cast<double>(summary.macs.total()) / 1e9);
  measure_step(config, spec, device, costs);
  costs.cache_bytes = run.train->cache_bytes() + run.val->cache_bytes();
  const int64_t steps = run.train->batches_per_epoch();
  // A forward pass is about a third of a training step; val is scored with and without averaging.
  const double validations = static_cast<double>(data.val->size()) /
                             static_cast<double>(config.train.batch_size) / 3 *
                             (config.train.model_ema_decay > 0 ? 2 : 1) /
                             static_cast<double>(config.train.val_interval);
  // Pictures that are not cached are loaded anew, by the compute threads where no others are idle.
  const double loading = run.train->cache_bytes() > 0
                             ? 0
                             : costs.decode_seconds * static_cast<double>(data.train->size()) /
                                   usable_processors();
  const double epoch = (static_cast<double>(steps) + validations) * costs.step_seconds + loading;
  const int64_t epochs = all_epochs(config.schedule, config.train.epochs);
  std::printf("estimate: %.0f ms a step of %ld, %ld steps an epoch, %.1f minutes an epoch, "
              "%.1f minutes in all; %.0f MiB of memory for tensors, %.0f MiB for pictures\n",
              costs.step_seconds * 1e3, static_cast<long>(config.train.batch_size),
              static_cast<long>(steps), epoch / 60, epoch / 60 * static_cast<double>(epochs),
              static_cast<double>(costs.tensor_bytes) / (1 << 20),
              static_cast<double>(costs.cache_bytes) / (1 << 20));
}

// Prints a split; returns its bad pictures if they are more than the config allows, else 0.
static int64_t check_split(const char* name, const Dataset& data, const Config& config,
                           Costs* costs) {
  const DatasetReport report = inspect(data, true);
  print_split(name, data, report);
  if (costs != nullptr && report.samples > 0) {
    costs->decode_seconds = report.decode_seconds / static_cast<double>(report.samples);
  }
  const LoadingSpec& loading = config.loading;
  const double allowed =
      loading.on_bad_image == OnBadImage::skip ? loading.max_bad_fraction : 0.0;
  const auto bad = static_cast<int64_t>(report.bad.size());
  return static_cast<double>(bad) > allowed * static_cast<double>(report.samples) ? bad : 0;
}

// What the run starts from, and the disk space it will take. Errors: as training's.
static RunBytes check_start(const Config& config, const Dataset& train) {
  ModelSpec spec = config.model;
  spec.classes = static_cast<int64_t>(train.class_names().size());
  const auto model = make_model(spec);
  if (!config.init.init.empty()) {
    initialize(*model, static_cast<uint64_t>(config.seed));
    load_start(config, train, *model);
  }
  return run_bytes(*model, config);
}

ExitCode check_run(const Config& config, Device device) {
  backend(device).set_deterministic(config.train.deterministic);  // also: is it there?
  const RunData data = open_run_data(config);
  std::unique_ptr<Dataset> test;
  if (!config.data.test.empty()) {
    test = open_dataset(data_options(config, data.splits.train->label_space()), "test",
                        Purpose::evaluation);
    check_labels(config, *test);
  }
  const RunBytes files = check_start(config, *data.splits.train);
  Costs costs;
  int64_t bad = check_split("train", *data.splits.train, config, &costs);
  bad += check_split("val", *data.splits.val, config, nullptr);
  if (test) {
    bad += check_split("test", *test, config, nullptr);
  }
  if (bad > 0) {
    std::printf("%s: more than data.on_bad_image and data.max_bad_fraction allow\n",
                counted(bad, "bad picture").c_str());
    return ExitCode::data;
  }
  print_estimate(config, data, costs, device);
  const std::optional<int64_t> free = free_disk_bytes("runs");
  std::printf("disk: the run's files take up to %.0f MiB%s\n",
              static_cast<double>(files.most()) / (1 << 20),
              free ? fmt::format("; {} MiB are free in runs/", *free >> 20).c_str() : "");
  return ExitCode::ok;
}

}  // namespace mld
