// The emulated device: cuda/runtime.h, gemm.h, copying and convolution without a GPU. Device memory
// is host memory; matrix products are plain loops; convolutions run on our own kernels.
#include <cuda_emulator.h>

#include <cstdlib>
#include <cstring>

#include "core/kernels.h"
#include "core/memory.h"
#include "cuda/conv2d_direct.cuh"
#include "cuda/depthwise.cuh"
#include "cuda/epilogue.cuh"
#include "cuda/gemm.h"
#include "cuda/runtime.h"

namespace mld::cuda {

void check(cudaError_t status, const std::source_location& where) {
  require(status == cudaSuccess, "CUDA: status {} ({}:{})", static_cast<int>(status),
          where.file_name(), where.line());
}

void use_device(int index) { require(index == 0, "device cuda:{}: there is one, emulated", index); }
Device current_device() { return {Backend::cuda, 0}; }
cudaStream_t stream() { return nullptr; }
int multiprocessors() { return 2; }  // few blocks, so that grid-stride loops iterate
bool has_bf16_tensor_cores() { return true; }
void synchronize() {}
bool synchronous() { return false; }
void set_capturing(bool) {}

MemoryPool& device_memory() {
  // aligned_alloc, so that AddressSanitizer sees where a block ends.
  static auto* pool = new MemoryPool([](size_t bytes) { return std::aligned_alloc(64, bytes); },
                                     [](void* block, size_t) { std::free(block); },
                                     "the emulated device");
  return *pool;
}

void copy(const Tensor& x, Tensor& y) {
  require(emu::captured == nullptr || (!x.device().is_cpu() && !y.device().is_cpu()),
          "a copy from or to the host is captured: a replay would find other bytes there");
  emu::perform([x = x.raw(), y = y.raw(), bytes = x.bytes()] { std::memcpy(y, x, bytes); });
}

// ---- products -----------------------------------------------------------------------------------

namespace {

float element(const void* data, DType dtype, int64_t i) {
  return dtype == DType::bf16 ? static_cast<float>(static_cast<const bf16*>(data)[i])
                              : static_cast<const float*>(data)[i];
}

void set_element(void* data, DType dtype, int64_t i, float value) {
  if (dtype == DType::bf16) {
    static_cast<bf16*>(data)[i] = bf16(value);
  } else {
    static_cast<float*>(data)[i] = value;
  }
}

}  // namespace

static void multiply(const Gemm& g, const void* a, const void* b, const void* bias, void* y) {
  for (int64_t batch = 0; batch < g.batches; ++batch) {
    for (int64_t m = 0; m < g.M; ++m) {
      for (int64_t n = 0; n < g.N; ++n) {
        double sum = bias != nullptr ? double{element(bias, g.out, n)} : 0.0;
        for (int64_t k = 0; k < g.K; ++k) {
          const int64_t ia = g.transpose_a ? k * g.row_a() + m : m * g.row_a() + k;
          const int64_t ib = g.transpose_b ? n * g.row_b() + k : k * g.row_b() + n;
          sum += double{element(a, g.in, batch * g.stride_a + ia)} *
                 double{element(b, g.in, batch * g.stride_b + ib)};
        }
        const float value = static_cast<float>(g.relu && sum < 0 ? 0.0 : sum);
        set_element(y, g.out, batch * g.stride_y + m * g.row_y() + n, value);
      }
    }
  }
}

void gemm(const Gemm& g, const void* a, const void* b, const void* bias, void* y) {
  emu::perform([=] { multiply(g, a, b, bias, y); });
}

// ---- convolution --------------------------------------------------------------------------------

// EMU_CONV=cpu: by the CPU's kernels, for training whole models. Not while a graph is captured, as
// they run immediately.
static bool by_cpu() {
  static const bool asked = std::getenv("EMU_CONV") != nullptr;
  require(!asked || emu::captured == nullptr, "EMU_CONV: the CPU's convolutions are not captured");
  return asked;
}

void conv2d_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& residual,
                    const Conv2dSpec& spec, Tensor& y) {
  if (by_cpu()) {
    cpu::conv2d_forward(x, w, bias, residual, spec, y);
    return;
  }
  if (has_depthwise(x.shape(), w.shape(), spec)) {
    depthwise_forward(x, w, bias, residual, spec, y);
    return;
  }
  direct_forward(x, w, spec, y);
  if (bias.defined() || residual.defined() || spec.act.kind != Act::identity) {
    epilogue(bias, residual, spec.act, y);
  }
}

void conv2d_backward_data(const Tensor& dy, const Tensor& w, const Conv2dSpec& spec, Tensor& dx) {
  by_cpu() ? cpu::conv2d_backward_data(dy, w, spec, dx)
  : has_depthwise(dx.shape(), w.shape(), spec) ? depthwise_backward_data(dy, w, spec, dx)
                                               : direct_backward_data(dy, w, spec, dx);
}

void conv2d_backward_weight(const Tensor& dy, const Tensor& x, const Conv2dSpec& spec, Tensor& dw) {
  by_cpu() ? cpu::conv2d_backward_weight(dy, x, spec, dw)
  : has_depthwise(x.shape(), dw.shape(), spec) ? depthwise_backward_weight(dy, x, spec, dw)
                                               : direct_backward_weight(dy, x, spec, dw);
}

}  // namespace mld::cuda
