// The group-FC training step (forward, backward, Adam) against this machine's copy bandwidth.
//
// The step must touch each weight, gradient and moment; with nothing wasted that is 10 to 11 times
// the weights' bytes. It prints step time * copy bandwidth / weight bytes: "x weight bytes".
// Usage: bench_group_fc [CLASSES...]      (default 1000 5000 100000; 100 groups, batch 8)
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "bench/machine.h"
#include "core/kernels.h"
#include "core/random.h"

namespace mld::bench {
namespace {

constexpr int64_t kBatch = 8, kGroups = 100, kEmbed = 768;

Tensor random_tensor(const Shape& shape, uint32_t stream) {
  Tensor x(shape);
  RandomStream random({1, 0, stream});
  for (int64_t i = 0; i < x.numel(); ++i) {
    x.data<float>()[i] = static_cast<float>(random.uniform(-0.1, 0.1));
  }
  return x;
}

struct Head {
  Tensor h, w, bias, y, dy, dh;
  AdamSlot slot;
  int64_t updates = 0;

  explicit Head(int64_t classes)
      : h(random_tensor({kBatch, kGroups, kEmbed}, 1)),
        w(random_tensor({kGroups, kEmbed, (classes + kGroups - 1) / kGroups}, 2)),
        bias(Tensor::zeros({classes})),
        y(Shape{kBatch, classes}),
        dy(random_tensor({kBatch, classes}, 3)),
        dh(h.like()),
        slot{w, w.like(), Tensor::zeros(w.shape()), Tensor::zeros(w.shape())} {}

  void step() {
    cpu::group_linear_forward(h, w, bias, y);
    cpu::group_linear_backward(dy, h, w, dh, slot.grad);
    cpu::adam_step({slot},
                   {.rates = StepRates::at(++updates, 1e-6f, 0.9f, 0.999f).tensor()});
  }
};

void measure(int64_t classes) {
  Head head(classes);
  head.step();
  std::vector<double> times;
  const double start = seconds();
  while (times.size() < 7 || (seconds() - start < 1.0 && times.size() < 500)) {
    const double before = seconds();
    head.step();
    times.push_back(seconds() - before);
  }
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2];
  const double bytes = static_cast<double>(head.w.bytes());
  std::printf("%8ld classes: %8.3f ms a step (best %.3f), weights %7.1f MB, %5.1f x weight bytes\n",
              static_cast<long>(classes), median * 1e3, times.front() * 1e3, bytes / 1e6,
              median * machine_peaks().copy_gbytes_s * 1e9 / bytes);
}

}  // namespace
}  // namespace mld::bench

int main(int argc, char** argv) {
  std::printf("copy bandwidth %.1f GB/s (read + write)\n",
              mld::bench::machine_peaks().copy_gbytes_s);
  std::vector<long> classes = {1000, 5000, 100000};
  if (argc > 1) {
    classes.clear();
    for (int i = 1; i < argc; ++i) {
      classes.push_back(std::strtol(argv[i], nullptr, 10));
    }
  }
  for (const long count : classes) {
    mld::bench::measure(count);
  }
}
