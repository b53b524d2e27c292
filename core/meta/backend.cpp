// The meta backend's table, its kernels made from the contract page, and its memory.
#include <atomic>
#include <type_traits>

#include "core/memory.h"
#include "core/meta/cost.h"
#include "core/meta/meter.h"

namespace mld::meta {
namespace {

// What the meter reads.
struct Counters {
  Meter::Observer observer;
  Device counted_as;
  int64_t macs = 0;
  size_t bytes = 0;
} counters;

// Hands out distinct addresses in a part of the address space that cannot hold memory: a kernel
// that reads one crashes immediately.
MemoryPool& pool() {
  static auto* made = new MemoryPool(
      [](size_t) {
        static std::atomic<uintptr_t> next{uintptr_t{1} << 63};
        return reinterpret_cast<void*>(next += 64);
      },
      [](void*, size_t) {}, "meta", {}, false);
  return *made;
}

// ---- the tensors among a call's arguments -------------------------------------------------------

void add(Call& call, const Tensor& x, bool output) {
  if (x.defined()) {
    (output ? call.outputs : call.inputs).push_back(&x);
    call.bytes += x.bytes();
  }
}
void add(Call& call, const AdamSlot& s, bool) {
  for (const Tensor* x : {&s.grad, &s.value, &s.m, &s.v}) {
    add(call, *x, x != &s.grad);
  }
}
void add(Call& call, const SgdSlot& s, bool) {
  for (const Tensor* x : {&s.grad, &s.value, &s.momentum}) {
    add(call, *x, x != &s.grad);
  }
}
void add(Call& call, const std::pair<Tensor, Tensor>& average_and_value, bool) {
  add(call, average_and_value.first, true);
  add(call, average_and_value.second, false);
}
template <class T>
void add(Call& call, const std::vector<T>& several, bool output) {
  for (const T& one : several) {
    add(call, one, output);
  }
}
template <class Spec>
void add(Call&, const Spec&, bool) {}

// Takes the memory that the CPU's kernel would: briefly its temporaries, for good a packed weight.
void hold(const Cost& cost) {
  std::vector<Tensor> temporary;
  for (const int64_t floats : cost.floats) {
    if (floats > 0) {
      temporary.emplace_back(Shape{floats}, DType::f32, kMeta);
    }
  }
  if (cost.packs != nullptr && cost.packs->packed == nullptr) {
    const Shape bytes{static_cast<int64_t>(cost.packs->bytes())};
    cost.packs->packed = std::make_shared<Tensor>(bytes, DType::u8, kMeta);
  }
}

// ---- the kernels --------------------------------------------------------------------------------

template <class Kernel, class Signature>
struct Counted;

template <class Kernel, class... Parameters>
struct Counted<Kernel, void(Parameters...)> {
  static void run(Parameters... parameters) {
    const Cost cost = CostOf<Kernel>::of(parameters...);
    Call call{.kernel = Kernel::text, .inputs = {}, .outputs = {}, .macs = cost.macs};
    (add(call, parameters, std::is_same_v<Parameters, Tensor&>), ...);
    if (counters.observer) {
      counters.observer(call);
    }
    counters.macs += call.macs;
    counters.bytes += call.bytes;
    if (counters.counted_as.is_cpu()) {
      hold(cost);
    }
  }
};

// ---- the step queue: nothing is copied ----------------------------------------------------------

class MetaQueue : public StepQueue {
 public:
  std::vector<Tensor> upload(const std::vector<Tensor>& host) override {
    std::vector<Tensor> on_meta;
    for (const Tensor& x : host) {
      on_meta.push_back(x.to(kMeta));
    }
    return on_meta;
  }
  void download(const Tensor&) override {}
  std::vector<float> result() override { fail("step queue: meta computes no values"); }
  size_t lag() const override { return 0; }
  std::unique_ptr<CapturedWork> capture(const std::function<void()>&) override {
    fail("step queue: meta has no launches to capture");
  }
};

}  // namespace

const KernelTable& table() {
  static const KernelTable made = {
#define MLD_KERNEL(name, parameters) .name = Counted<kernel::name, void parameters>::run,
#include "core/kernels.inc"
#undef MLD_KERNEL
      .memory_pool = [](int) -> MemoryPool& { return pool(); },
      .synchronize = [](int) {},
      .step_queue = [](int) -> std::unique_ptr<StepQueue> { return std::make_unique<MetaQueue>(); },
      .set_deterministic = [](bool) {},
  };
  return made;
}

// ---- the meter ----------------------------------------------------------------------------------

Meter::Meter(Device counted_as) {
  counters = {.observer = {}, .counted_as = counted_as};
  pool().trim();
  pool().reset_peak();
  before_ = pool().stats().in_use;
}

Meter::~Meter() { counters = {}; }

void Meter::observe(Observer observer) { counters.observer = std::move(observer); }

int64_t Meter::macs() const { return counters.macs; }
size_t Meter::bytes() const { return counters.bytes; }
size_t Meter::peak() const { return pool().stats().peak - before_; }
size_t Meter::held() const { return pool().stats().in_use + pool().stats().cached - before_; }

}  // namespace mld::meta
