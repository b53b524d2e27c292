// Our worker of bench/vs_pytorch: a training step or an inference of a ResNet, as torch_step.py.
//
// After "ready" it reads an iteration count per line, runs that many steps and answers
// {"wall": s, "cpu": s} per step; "end" answers {"peak_mib": ...}.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <map>
#include <string>

#include "autograd/ops.h"
#include "bench/machine.h"
#include "core/kernels.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "models/registry.h"
#include "optim/optimizer.h"

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

std::function<void()> make_step(const Options& options, Device device) {
  const auto number = [&](const char* name) { return std::stol(options.at(name)); };
  const int64_t N = number("--batch"), S = number("--size"), K = number("--classes");
  const std::shared_ptr<Classifier> model = make_model({.backbone = options.at("--backbone"),
                                                        .head = options.at("--head"),
                                                        .classes = K,
                                                        .groups = number("--groups"),
                                                        .embed_dim = number("--embed")});
  initialize(*model, 1);
  to(*model, device);
  Tensor images({N, S, S, 3}), targets({N, K});
  for (int64_t i = 0; i < images.numel(); ++i) {
    images.data<float>()[i] = random_uniform({3, 0, 0}, static_cast<uint64_t>(i));
  }
  for (int64_t i = 0; i < targets.numel(); ++i) {
    targets.data<float>()[i] = random_uniform({3, 0, 1}, static_cast<uint64_t>(i)) < 0.05f ? 1 : 0;
  }
  images = images.to(device);
  targets = targets.to(device);
  if (options.at("--dtype") == "bf16") {
    Tensor rounded(images.shape(), DType::bf16, device);
    KERNEL(device, cast)(images, rounded);
    images = rounded;
  }
  if (options.at("--mode") == "infer") {
    require<UsageError>(options.at("--graph") == "no", "bench_step: only training is captured");
    set_training(*model, false);
    fold_batch_norm(*model);
    return [=] { (*model)(Var(images)); };
  }
  set_training(*model, true);
  const std::shared_ptr<Optimizer> optimizer =
      make_optimizer({.name = "adam_l2", .weight_decay = 0}, *model);
  const std::shared_ptr<StepQueue> queue = make_step_queue(device);
  const Tensor count = Tensor::zeros({1}, DType::i64, device);
  const Tensor rates({StepRates::kFloats}, DType::f32, device);
  const auto update = [=] {
    Tape tape({.seed = 1}, count);
    const Var logits = cast((*model)(tape.constant(images)), DType::f32);
    tape.backward(asymmetric_loss(logits, targets));
    optimizer->apply(rates);
    clear_gradients(*model);
  };
  auto prepare = [=, step = int64_t{0}]() mutable {
    Tensor now({1}, DType::i64), step_there = count, rates_there = rates;
    now.data<int64_t>()[0] = step++;
    const auto inputs = queue->upload({now, optimizer->prepare({.lr = 1e-5, .beta1 = 0.9})});
    KERNEL(device, copy)(inputs[0], step_there);
    KERNEL(device, copy)(inputs[1], rates_there);
  };
  if (options.at("--graph") == "no") {
    return [=]() mutable {
      prepare();
      update();
    };
  }
  for (int usual = 0; usual < 2; ++usual) {
    prepare();
    update();
  }
  const std::shared_ptr<CapturedWork> captured = queue->capture(update);
  return [=]() mutable {
    prepare();
    captured->replay();
  };
}

// The process's on the CPU, the pool's on a GPU.
double peak_mib(Device device) {
  if (!device.is_cpu()) {
    return static_cast<double>(backend(device).memory_pool(device.index).stats().peak) / 0x1p20;
  }
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void serve(const std::function<void()>& step, Device device) {
  const auto run = [&](int count) {
    for (int i = 0; i < count; ++i) {
      step();
    }
    backend(device).synchronize(device.index);
  };
  run(3);
  std::printf("{\"ready\": true, \"version\": \"\"}\n");
  std::fflush(stdout);
  char line[64];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    if (std::string(line).starts_with("end")) {
      std::printf("{\"peak_mib\": %.1f}\n", peak_mib(device));
      return;
    }
    const int count = std::atoi(line);
    const double wall = seconds(), cpu = cpu_seconds();
    run(count);
    std::printf("{\"wall\": %.9f, \"cpu\": %.9f}\n", (seconds() - wall) / count,
                (cpu_seconds() - cpu) / count);
    std::fflush(stdout);
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
  mld::bench::serve(mld::bench::make_step(options, device), device);
}
