#include "tests/parity/float64.h"

#include <algorithm>
#include <memory>
#include <unordered_set>

#include "core/error.h"
#include "core/parallel.h"
#include "tests/parity/node_check.h"
#include "tests/spec.h"

namespace mld::parity {
namespace {

struct Shadow;
std::unordered_set<const void*> live_shadows;  // tells a shadow from other uses of Storage::packed

// The doubles behind a storage's float32 elements.
struct Shadow {
  Doubles values;

  explicit Shadow(Doubles values_) : values(std::move(values_)) { live_shadows.insert(this); }
  ~Shadow() { live_shadows.erase(this); }
  Shadow(const Shadow&) = delete;
  Shadow& operator=(const Shadow&) = delete;
};

Shadow* shadow_of(const Tensor& x) {
  void* packed = x.storage()->packed.get();
  return live_shadows.contains(packed) ? static_cast<Shadow*>(packed) : nullptr;
}

// The index of the first element in its storage.
size_t offset_of(const Tensor& x) {
  return static_cast<size_t>(x.data<float>() - static_cast<const float*>(x.storage()->data()));
}

}  // namespace

Doubles read_doubles(const Tensor& x) {
  const float* data = x.data<float>();
  Doubles out(data, data + x.numel());
  if (const Shadow* shadow = shadow_of(x)) {
    const double* behind = shadow->values.data() + offset_of(x);
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<float>(behind[i]) == data[i] ? behind[i] : out[i];
    }
  }
  return out;
}

void write_doubles(const Tensor& y, const Doubles& values) {
  require(static_cast<int64_t>(values.size()) == y.numel(), "float64: {} values for {}",
          values.size(), y.shape());
  float* data = y.data<float>();
  for (size_t i = 0; i < values.size(); ++i) {
    data[i] = static_cast<float>(values[i]);
  }
  Shadow* shadow = shadow_of(y);
  if (shadow == nullptr) {
    const auto* first = static_cast<const float*>(y.storage()->data());
    const size_t size = y.storage()->bytes() / sizeof(float);
    auto made = std::make_shared<Shadow>(Doubles(first, first + size));
    shadow = made.get();
    y.storage()->packed = std::move(made);
  }
  std::copy(values.begin(), values.end(),
            shadow->values.begin() + static_cast<std::ptrdiff_t>(offset_of(y)));
}

Doubles multiply(const Doubles& a, const Doubles& b, size_t M, size_t N, size_t K) {
  constexpr size_t kDepth = 64, kWidth = 512;  // a block of b stays in the second-level cache
  Doubles y(M * N, 0.0);
  parallel_for(static_cast<int64_t>(M), 8, [&](int64_t begin, int64_t end) {
    for (size_t n0 = 0; n0 < N; n0 += kWidth) {
      const size_t width = std::min(kWidth, N - n0);
      for (size_t k0 = 0; k0 < K; k0 += kDepth) {
        for (auto m = static_cast<size_t>(begin); m < static_cast<size_t>(end); ++m) {
          double* out = &y[m * N + n0];
          for (size_t k = k0; k < std::min(K, k0 + kDepth); ++k) {
            const double factor = a[m * K + k];
            const double* row = &b[k * N + n0];
#pragma omp simd
            for (size_t n = 0; n < width; ++n) {
              out[n] += factor * row[n];
            }
          }
        }
      }
    }
  });
  return y;
}

Doubles transposed(const Doubles& x, size_t rows, size_t columns) {
  Doubles y(x.size());
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) {
      y[c * rows + r] = x[r * columns + c];
    }
  }
  return y;
}

// ---- dropout ------------------------------------------------------------------------------------

namespace {

const std::vector<std::vector<double>>* given_masks = nullptr;

// The call on float32 host tensors, computed in float64.
void run_in_float64(test::KernelCall& call, const KernelTable& own) {
  const std::unique_ptr<test::KernelCall> host = call.copy();
  std::vector<Tensor> results;
  host->each_tensor([&](Tensor& x, test::Role role) {
    if (role == test::Role::output) {
      x = results.emplace_back(x.shape());
    } else {
      x = Tensor::from(x.shape(), x.to_vector());
    }
  });
  host->run(float64_kernels());
  size_t next = 0;
  call.each_tensor([&](Tensor& y, test::Role role) {
    if (role == test::Role::output) {
      const Tensor& result = results[next++];
      (y.dtype() == DType::f32 ? own.copy : own.cast)(test::copy_of(result, y.device()), y);
    }
  });
}

}  // namespace

double dropout_factor(const DropoutSpec& spec, size_t i) {
  if (given_masks == nullptr || !spec.active()) {
    return spec::dropout_factor(spec, static_cast<int64_t>(i));
  }
  constexpr uint32_t kFirstStream = 1u << 16;  // of a tape's draws
  const bool kept = given_masks->at(spec.key.stream - kFirstStream).at(i) != 0;
  return kept ? 1 / (1 - static_cast<double>(spec.p)) : 0;
}

GivenMasks::GivenMasks(Device device, std::vector<std::vector<double>> masks)
    : watch_(device, [](test::KernelCall& call, const KernelTable& own) {
        const std::string name = call.name();
        if (name == "dropout" || name.starts_with("attention")) {
          run_in_float64(call, own);
        } else {
          call.run(own);
        }
      }) {
  given_masks = new std::vector(std::move(masks));
}

GivenMasks::~GivenMasks() { delete std::exchange(given_masks, nullptr); }

// ---- the table ----------------------------------------------------------------------------------

const KernelTable& float64_kernels() {
  static const KernelTable kTable = [] {
    KernelTable table = test::own_table(Device{});
    add_float64_convolution(table);
    add_float64_pooling(table);
    add_float64_layers(table);
    add_float64_matrices(table);
    add_float64_losses(table);
    add_float64_updates(table);
    return table;
  }();
  return kTable;
}

static bool float64_lives = false;

Float64::Float64(NodeCheck* check)
    : watch_(Device{}, [check](test::KernelCall& call, const KernelTable& own) {
        if (check != nullptr) {
          check->run(call, own);
        } else {
          call.run(float64_kernels());
        }
      }) {
  float64_lives = true;
}

Float64::~Float64() { float64_lives = false; }

bool Float64::active() { return float64_lives; }

}  // namespace mld::parity
