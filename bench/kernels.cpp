// Where a training step's time goes: every kernel's calls, milliseconds and share, on the CPU. It
// is processor time over all threads, which other programs change less than they change the clock:
// set OMP_WAIT_POLICY=passive, so that threads do not count their waiting.
//
//   bench_kernels [backbone [head [batch [side [threads]]]]]    tresnet_m gap 8 224 2
#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <map>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "autograd/ops.h"
#include "core/kernels.h"
#include "core/parallel.h"
#include "models/registry.h"

namespace mld::bench {
namespace {

double processor_seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

struct Spent {
  int calls = 0;
  double time = 0;  // seconds
};
std::map<std::string, Spent> spent;  // by kernel and the shape of its first tensor

const KernelTable* own = nullptr;

void describe(std::string& text, const Tensor& x) {
  if (text.empty() && x.defined()) {
    text = " " + x.shape().str();
  }
}
template <class T>
void describe(std::string&, const T&) {}

template <auto Field>
struct Timed;
template <class... Parameters, void (*KernelTable::*Field)(Parameters...)>
struct Timed<Field> {
  static inline const char* name = "";
  static void run(Parameters... values) {
    std::string first;
    (describe(first, values), ...);
    const double start = processor_seconds();
    (own->*Field)(values...);
    Spent& all = spent[name + first];
    all.time += processor_seconds() - start;
    ++all.calls;
  }
};

const KernelTable& timed_table() {
  static KernelTable table = *own;
#define MLD_KERNEL(name_, parameters)              \
  Timed<&KernelTable::name_>::name = #name_;       \
  table.name_ = Timed<&KernelTable::name_>::run;
#include "core/kernels.inc"
#undef MLD_KERNEL
  return table;
}

void step(Model& model, const Tensor& images) {
  Tape tape({.seed = 1, .step = 1});
  const Var logits = model(tape.constant(images));
  tape.backward(asymmetric_loss(logits, Tensor::zeros(logits.shape())));
  clear_gradients(model);
}

void print(double total, int steps) {
  std::vector<std::pair<std::string, Spent>> rows(spent.begin(), spent.end());
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.second.time > b.second.time; });
  std::map<std::string, Spent> kernels;
  for (const auto& [name, all] : rows) {
    Spent& kernel = kernels[name.substr(0, name.find(' '))];
    kernel.calls += all.calls;
    kernel.time += all.time;
  }
  const auto line = [&](const std::string& name, const Spent& all) {
    fmt::print("{:60} {:5} calls {:9.2f} ms {:6.2f} %\n", name, all.calls / steps,
               1e3 * all.time / steps, 100 * all.time / total);
  };
  for (const auto& [name, all] : rows) {
    line(name, all);
  }
  fmt::print("\n");
  for (const auto& [name, all] : kernels) {
    line(name, all);
  }
  fmt::print("a step: {:.1f} ms\n", 1e3 * total / steps);
}

}  // namespace
}  // namespace mld::bench

int main(int argc, char** argv) {
  using namespace mld;
  const auto argument = [&](int i, const char* fallback) { return argc > i ? argv[i] : fallback; };
  set_threads(std::atoi(argument(5, "2")));
  const auto model =
      make_model({.backbone = argument(1, "tresnet_m"), .head = argument(2, "gap"), .classes = 80});
  initialize(*model, 1);
  set_training(*model, true);
  const int64_t N = std::atoll(argument(3, "8")), S = std::atoll(argument(4, "224"));
  const Tensor images = Tensor::full({N, S, S, 3}, 0.5f);
  bench::step(*model, images);  // fills the memory pool
  bench::own = &backend(Device{});
  const KernelTable& table = bench::timed_table();
  override_kernels(Backend::cpu, &table);
  constexpr int kSteps = 3;
  const double start = bench::processor_seconds();
  for (int i = 0; i < kSteps; ++i) {
    bench::step(*model, images);
  }
  const double all = bench::processor_seconds() - start;
  override_kernels(Backend::cpu, nullptr);
  bench::print(all, kSteps);
}
