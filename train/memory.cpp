#include "train/memory.h"

#include <algorithm>

#include "core/memory.h"
#include "core/meta/meter.h"
#include "models/registry.h"
#include "train/run_data.h"

namespace mld {

// On meta, where nothing is computed, the model has no values.
static std::unique_ptr<Model> model_without_data(const Config& config, int64_t classes,
                                                 Device device) {
  ModelSpec spec = config.model;
  spec.classes = classes;
  std::unique_ptr<Model> model = make_trained_model(config, spec);
  if (!device.is_meta()) {
    initialize(*model, static_cast<uint64_t>(config.seed));
  }
  return model;
}

// Runs evaluation's forward pass and scores on empty pictures.
static void score_empty(Model& model, Objective& objective, Device device, int64_t images,
                        int64_t side) {
  fold_batch_norm(model);
  objective.scores(objective.outputs(Tensor({images, side, side, 3}, DType::u8, device)));
}

// ---- a rehearsal --------------------------------------------------------------------------------

static LabelSpace blank(const Config& config, int64_t classes) {
  ModelSpec spec = config.model;
  spec.classes = classes;
  return blank_labels(spec);
}

Rehearsal::Rehearsal(const Config& config, int64_t classes, Device device)
    : device_(device),
      learner_(config, device, model_without_data(config, classes, device), blank(config, classes),
               blank(config, classes)) {}

void Rehearsal::update(int64_t images, int64_t side) {
  const Device host = device_.is_meta() ? kMeta : Device{};
  set_training(model(), true);
  learner_.step->queue(
      {.images = Tensor::full({images, side, side, 3}, 127, DType::u8, host),
       .targets = Tensor::zeros({images, model().spec.classes}, DType::f32, host)},
      {.lr = 0, .beta1 = 0.9}, 0);
  if (!device_.is_meta()) {
    learner_.step->result();
  }
}

void Rehearsal::score(int64_t images, int64_t side) {
  std::optional<Ema::Scope> averaged;
  if (learner_.average) {
    averaged.emplace(*learner_.average);
  }
  score_empty(model(), *learner_.objective, device_, images, side);
}

// ---- what a run takes ---------------------------------------------------------------------------

// The program, its libraries and oneDNN's generated code: measured, see docs/results.md. What
// cuBLAS and cuDNN take on a device has not been measured; the figure is an allowance.
static size_t libraries(Device device) { return size_t{device.is_cpu() ? 24u : 128u} << 20; }

static std::vector<Tensor> copies(Module& model, int64_t count) {
  std::vector<Tensor> all;
  for (const auto& [name, p] : parameters(model)) {
    for (int64_t i = 0; i < count; ++i) {
      all.push_back(p->value.like());
    }
  }
  return all;
}

// Bytes of the batches that a loader of pictures of `side` pixels holds: those decoded ahead, and
// the one in use.
static size_t loaded_batches(const Config& config, int64_t side) {
  const int64_t batches = LoaderOptions{}.prefetch + 1;
  return static_cast<size_t>(batches * config.train.batch_size * side * side * 3);
}

TrainingNeeds training_needs(const Config& config, int64_t classes, Device device, size_t data) {
  const int64_t N = config.train.batch_size, S = config.preprocess.image_size;
  meta::Meter meter(device);
  Rehearsal run(config, classes, kMeta);
  const size_t lasting = meter.peak();
  const size_t model = static_cast<size_t>(count_parameters(run.model())) * sizeof(float);
  const int64_t best = 1, saved = static_cast<int64_t>((lasting + model / 2) / model);
  const auto kept = copies(run.model(), device.is_cpu() ? best : 0);
  try {
    run.update(N, S);
  } catch (const Error& error) {
    fail<UsageError>("train.batch_size {} of {} px in optim.grad_accum_steps {}: {}; raise "
                     "train.batch_size or data.image_size", N, S, config.optim.grad_accum_steps,
                     error.what());
  }
  const int64_t macs = meter.macs();
  run.update(N, S);  // now with freed blocks of the first update to reuse
  const int64_t scored = for_evaluation(config.preprocess).image_size;
  run.score(N, scored);
  if (device.is_cpu()) {
    copies(run.model(), saved);
  }
  const size_t on_host = device.is_cpu() ? 0 : static_cast<size_t>(best + saved) * model;
  return {.tensors = meter.held() + libraries(device),
          .host = loaded_batches(config, std::max(S, scored)) + data + on_host,
          .macs = macs};
}

size_t scoring_needs(const Config& config, int64_t classes, Device device) {
  const int64_t N = config.train.batch_size, S = for_evaluation(config.preprocess).image_size;
  meta::Meter meter(device);
  const auto model = model_without_data(config, classes, kMeta);
  to(*model, kMeta);
  const LabelSpace labels = blank(config, classes);
  score_empty(*model, *make_objective(config, *model, labels, labels), kMeta, N, S);
  return meter.held() + libraries(device) + (device.is_cpu() ? loaded_batches(config, S) : 0);
}

static double gib(size_t bytes) { return static_cast<double>(bytes) / 0x1p30; }

// memory_shortage() of the host's part while another device computes.
static std::string host_shortage(size_t need, Device device) {
  const size_t free = memory_pool(Device{}).free_bytes();
  return need <= free ? "" : fmt::format(
      "out of memory on cpu: training on {} is predicted to take {:.2f} GiB there for pictures, "
      "validation's scores and copies while it saves, {:.2f} GiB are free; make room, or try "
      "a smaller model or fewer pictures for validation", device.str(), gib(need), gib(free));
}

std::string memory_shortage(const Config& config, int64_t classes, Device device, size_t data,
                            size_t free) {
  const auto needed = [&](int64_t batch, int64_t parts) {
    Config other = config;
    other.train.batch_size = batch;
    other.optim.grad_accum_steps = parts;
    return training_needs(other, classes, device, data).on(device);
  };
  const auto fits = [&](int64_t batch, int64_t parts) {
    try {
      return needed(batch, parts) <= free;
    } catch (const UsageError&) {
      return false;  // too few pictures for a norm
    }
  };
  const int64_t N = config.train.batch_size, parts = config.optim.grad_accum_steps;
  const TrainingNeeds needs = training_needs(config, classes, device, data);
  const size_t need = needs.on(device);
  if (need <= free) {
    return device.is_cpu() ? "" : host_shortage(needs.host, device);
  }
  int64_t least = 0, most = N / parts;  // pictures in a part: `least` fits, `most` does not
  while (most - least > 1) {
    const int64_t middle = (least + most) / 2;
    (fits(middle * parts, parts) ? least : most) = middle;
  }
  int64_t more = parts + 1;
  while (more <= N && (N % more != 0 || !fits(N, more))) {
    ++more;
  }
  const std::string smaller = fmt::format("train.batch_size = {}", least * parts);
  const std::string accumulated = fmt::format("optim.grad_accum_steps = {}", more);
  return fmt::format(
      "out of memory on {}: training with train.batch_size = {} is predicted to take {:.2f} GiB, "
      "{:.2f} GiB are free; {}", device.str(), N, gib(need), gib(free),
      least > 0 && more <= N ? smaller + " fits, and so does " + accumulated
      : least > 0            ? smaller + " fits"
      : more <= N            ? accumulated + " fits"
                             : "not even one picture fits: try a smaller data.image_size or model");
}

void require_memory(const Config& config, int64_t classes, Device device, size_t data) {
  const size_t free = memory_pool(device).free_bytes();
  const std::string shortage = memory_shortage(config, classes, device, data, free);
  require<OutOfMemory>(shortage.empty(), "{}", shortage);
}

}  // namespace mld
