#include "tests/kernel_watch.h"

#include <cstring>
#include <limits>
#include <tuple>

#include "core/error.h"

namespace mld::test {
namespace {

using Visit = std::function<void(Tensor&, Role)>;

// ---- the tensors in an argument -----------------------------------------------------------------

void visit(Tensor& x, Role role, const Visit& f) {
  if (x.defined()) {
    f(x, role);
  }
}

template <class T>
void tensors_in(T&, const Visit&) {}  // scalars, specs of scalars
void tensors_in(DropoutSpec& spec, const Visit& f) { visit(spec.step, Role::input, f); }
void tensors_in(AttentionSpec& spec, const Visit& f) { tensors_in(spec.dropout, f); }
void tensors_in(AdamSpec& spec, const Visit& f) { visit(spec.rates, Role::input, f); }
void tensors_in(LambSpec& spec, const Visit& f) { visit(spec.rates, Role::input, f); }
void tensors_in(Tensor& x, const Visit& f) { visit(x, Role::update, f); }  // clip_all's
void tensors_in(std::pair<Tensor, Tensor>& pair, const Visit& f) {         // ema_update's
  visit(pair.first, Role::update, f);
  visit(pair.second, Role::input, f);
}
void tensors_in(AdamSlot& slot, const Visit& f) {
  visit(slot.grad, Role::input, f);
  for (Tensor* x : {&slot.value, &slot.m, &slot.v}) {
    visit(*x, Role::update, f);
  }
}
void tensors_in(SgdSlot& slot, const Visit& f) {
  visit(slot.grad, Role::input, f);
  visit(slot.value, Role::update, f);
  visit(slot.momentum, Role::update, f);
}
template <class T>
void tensors_in(std::vector<T>& list, const Visit& f) {
  for (T& item : list) {
    tensors_in(item, f);
  }
}

// A parameter of this type, as declared.
template <class Parameter>
struct Argument {
  template <class T>
  static void visit_all(T& value, const Visit& f, bool updates) {
    if constexpr (std::is_same_v<Parameter, const Tensor&>) {
      visit(value, Role::input, f);
    } else if constexpr (std::is_same_v<Parameter, Tensor&>) {
      visit(value, updates ? Role::update : Role::output, f);
    } else {
      tensors_in(value, f);
    }
  }
};

// ---- calls and tables ---------------------------------------------------------------------------

KernelWatch::Handler handlers[2];  // by backend
const KernelTable* own_tables[2] = {};

template <auto Field, Backend kBackend>
struct Watched;
template <class... Parameters, void (*KernelTable::*Field)(Parameters...), Backend kBackend>
struct Watched<Field, kBackend> {
  static inline const char* name = "";

  struct Call : KernelCall {
    std::tuple<std::remove_cvref_t<Parameters>...> arguments;

    explicit Call(Parameters... values) : arguments(values...) {}
    std::string name() const override { return Watched::name; }
    void each_tensor(const Visit& f) override {
      // The running statistics come first among its Tensor& parameters; other kernels have none.
      int left = std::strcmp(Watched::name, "batch_norm_forward") == 0 ? 2 : 0;
      const auto updates = [&]<class P>() { return std::is_same_v<P, Tensor&> && left-- > 0; };
      std::apply(
          [&](auto&... values) {
            (Argument<Parameters>::visit_all(values, f, updates.template operator()<Parameters>()),
             ...);
          },
          arguments);
    }
    void run(const KernelTable& table) override {
      std::apply([&](auto&... values) { (table.*Field)(values...); }, arguments);
    }
    bool same(const KernelTable& a, const KernelTable& b) const override {
      return a.*Field == b.*Field;
    }
    std::unique_ptr<KernelCall> copy() const override { return std::make_unique<Call>(*this); }
  };

  static void entry(Parameters... values) {
    Call call(values...);
    const auto at = static_cast<size_t>(kBackend);
    handlers[at](call, *own_tables[at]);
  }
};

template <Backend kBackend>
const KernelTable* watched_table(const KernelTable& own) {
  static KernelTable table;
  table = own;
#define MLD_KERNEL(name_, parameters)                           \
  Watched<&KernelTable::name_, kBackend>::name = #name_;        \
  table.name_ = Watched<&KernelTable::name_, kBackend>::entry;
#include "core/kernels.inc"
#undef MLD_KERNEL
  return &table;
}

}  // namespace

KernelWatch::KernelWatch(Device device, Handler handler) : backend_(device.backend) {
  const auto at = static_cast<size_t>(backend_);
  require(own_tables[at] == nullptr, "kernel watch: {} is watched already", device.str());
  const KernelTable& own = backend(device);
  own_tables[at] = &own;
  handlers[at] = std::move(handler);
  override_kernels(backend_, device.is_cpu() ? watched_table<Backend::cpu>(own)
                                             : watched_table<Backend::cuda>(own));
}

KernelWatch::~KernelWatch() {
  override_kernels(backend_, nullptr);
  own_tables[static_cast<size_t>(backend_)] = nullptr;
}

const KernelTable& own_table(Device device) {
  const KernelTable* watched = own_tables[static_cast<size_t>(device.backend)];
  return watched != nullptr ? *watched : backend(device);
}

void poison(Tensor& x) {
  const float value = is_float(x.dtype()) ? std::numeric_limits<float>::quiet_NaN() : 113.0f;
  own_table(x.device()).fill(value, x);
}

KernelWatch poisoned_outputs(Device device) {
  return KernelWatch(device, [](KernelCall& call, const KernelTable& own) {
    call.each_tensor([&](Tensor& x, Role role) {
      if (role == Role::output) {
        poison(x);
      }
    });
    call.run(own);
  });
}

Tensor copy_of(const Tensor& x, Device device) {
  Tensor y(x.shape(), x.dtype(), device);
  if (x.device().is_cpu() && device.is_cpu()) {
    std::memcpy(y.raw(), x.raw(), x.bytes());
  } else {
    KERNEL(device.is_cpu() ? x.device() : device, copy)(x, y);
  }
  return y;
}

}  // namespace mld::test
