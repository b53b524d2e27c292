// Our worker of bench/vs_pytorch: a training step or an inference, like torch_step.py's.
//
// After "ready", with timm's name of the network, it reads an iteration count per line, runs that
// many steps and answers {"wall": s, "cpu": s} per step; "end" answers {"peak_mib": ...}.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "bench/machine.h"
#include "core/kernels.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "data/json_writer.h"
#include "models/registry.h"
#include "train/objective.h"
#include "train/training_step.h"

namespace mld::bench {
namespace {

double cpu_seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

using Options = std::map<std::string, std::string>;

Options parse(int argc, char** argv) {
  Options options = {{"--mode", "train"},   {"--backbone", "resnet50"}, {"--head", "ml_decoder"},
                     {"--classes", "80"},   {"--groups", "-1"},         {"--batch", "8"},
                     {"--size", "224"},     {"--threads", "2"},        {"--embed", "768"},
                     {"--device", "cpu"},   {"--dtype", "f32"},        {"--graph", "no"},
                     {"--timed-plans", "no"}};
  for (int i = 1; i + 1 < argc; i += 2) {
    require<UsageError>(options.contains(argv[i]), "bench_step: unknown option {}", argv[i]);
    options[argv[i]] = argv[i + 1];
  }
  return options;
}

// An update as a run makes it, again and again on one batch.
struct Training {
  Learner learner;
  Batch batch;
  int64_t updates = 0;
  size_t queued = 0;

  void update() {
    learner.step->queue(batch, {.lr = 1e-5, .beta1 = 0.9}, updates++);
    for (++queued; queued > learner.step->lag(); --queued) {
      learner.step->result();
    }
  }
};

// Pictures of noise; one class in twenty.
Batch noise(int64_t N, int64_t S, int64_t K) {
  Batch batch{.images = Tensor({N, S, S, 3}, DType::u8), .targets = Tensor({N, K}), .indices = {}};
  for (int64_t i = 0; i < batch.images.numel(); ++i) {
    const float draw = random_uniform({3, 0, 0}, static_cast<uint64_t>(i));
    batch.images.data<uint8_t>()[i] = static_cast<uint8_t>(256 * draw);
  }
  for (int64_t i = 0; i < batch.targets.numel(); ++i) {
    const float draw = random_uniform({3, 0, 1}, static_cast<uint64_t>(i));
    batch.targets.data<float>()[i] = draw < 0.05f ? 1 : 0;
  }
  return batch;
}

// As the programs run it: from raw pixels, with the recipe's loss, optimiser and average.
std::function<void()> make_step(const Options& options, Device device) {
  const auto number = [&](const char* name) { return std::stol(options.at(name)); };
  std::unique_ptr<Model> model = make_model({.backbone = options.at("--backbone"),
                                             .head = options.at("--head"),
                                             .classes = number("--classes"),
                                             .groups = number("--groups"),
                                             .embed_dim = number("--embed")});
  initialize(*model, 1);
  Config config;
  config.optim.weight_decay = 0;
  config.train.precision = options.at("--dtype") == "bf16" ? DType::bf16 : DType::f32;
  config.train.cuda_graph = options.at("--graph") == "yes";
  const Batch batch = noise(number("--batch"), number("--size"), number("--classes"));
  if (options.at("--mode") == "infer") {
    require<UsageError>(options.at("--graph") == "no", "bench_step: only training is captured");
    const std::shared_ptr<Model> kept = std::move(model);
    to(*kept, device);
    fold_batch_norm(*kept);
    const std::shared_ptr<Objective> objective = make_objective(config, *kept);
    return [kept, objective, pixels = batch.images.to(device)] { objective->outputs(pixels); };
  }
  const std::shared_ptr<Training> training(
      new Training{.learner = {config, device, std::move(model)}, .batch = batch});
  set_training(*training->learner.model, true);
  return [training] { training->update(); };
}

// The process's peak on the CPU, the pool's on a GPU.
double peak_mib(Device device) {
  if (!device.is_cpu()) {
    return static_cast<double>(backend(device).memory_pool(device.index).stats().peak) / 0x1p20;
  }
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// Ends the object and prints it on a line of its own.
void tell(JsonWriter& object) {
  std::puts(object.end().text().c_str());
  std::fflush(stdout);
}

void serve(const std::function<void()>& step, Device device, std::string_view timm_name) {
  const auto run = [&](int count) {
    for (int i = 0; i < count; ++i) {
      step();
    }
    backend(device).synchronize(device.index);
  };
  run(3);
  tell(JsonWriter().object().member("ready", true).member("timm", timm_name));
  char line[64];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    if (std::string(line).starts_with("end")) {
      tell(JsonWriter().object().member("peak_mib", rounded(peak_mib(device), 1)));
      return;
    }
    const int count = std::atoi(line);
    const double wall = seconds(), cpu = cpu_seconds();
    run(count);
    const double all_wall = seconds() - wall, all_cpu = cpu_seconds() - cpu;
    tell(JsonWriter().object().member("wall", all_wall / count).member("cpu", all_cpu / count));
  }
}

}  // namespace
}  // namespace mld::bench

int main(int argc, char** argv) {
  const auto options = mld::bench::parse(argc, argv);
  mld::set_threads(std::stoi(options.at("--threads")));
  const mld::Device device = mld::parse_device(options.at("--device"));
  if (options.at("--timed-plans") == "yes") {  // train.deterministic = false
    mld::backend(device).set_deterministic(false);
  }
  const std::string_view timm_name =
      mld::backbone_row({.backbone = options.at("--backbone")}).timm_name;
  mld::bench::serve(mld::bench::make_step(options, device), device, timm_name);
}
