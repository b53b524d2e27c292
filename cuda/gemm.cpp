#include "cuda/gemm.h"

#include <cublasLt.h>

#include <algorithm>
#include <bit>
#include <source_location>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/tensor.h"
#include "cuda/owned.h"
#include "cuda/runtime.h"

namespace mld::cuda {
namespace {

constexpr size_t kWorkspaceBytes = size_t{32} << 20;  // what NVIDIA recommends for Hopper

void check(cublasStatus_t status,
           const std::source_location& where = std::source_location::current()) {
  require(status == CUBLAS_STATUS_SUCCESS, "cuBLASLt: {} ({}:{})",
          cublasLtGetStatusString(status), where.file_name(), where.line());
}

using Operation = Owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Layout = Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Preference = Owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

cudaDataType_t type_of(DType dtype) { return dtype == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F; }

cublasLtHandle_t handle() {
  // Never destroyed: at process exit the driver may be unloaded first.
  static const cublasLtHandle_t made = [] {
    cublasLtHandle_t raw = nullptr;
    check(cublasLtCreate(&raw));
    return raw;
  }();
  return made;
}

// To the column-major library a row-major matrix is its transpose.
Layout layout(DType dtype, int64_t rows, int64_t columns, int64_t row_length, int64_t batches,
              int64_t stride) {
  cublasLtMatrixLayout_t raw = nullptr;
  check(cublasLtMatrixLayoutCreate(&raw, type_of(dtype), static_cast<uint64_t>(columns),
                                   static_cast<uint64_t>(rows), row_length));
  Layout owned(raw);
  const auto count = static_cast<int32_t>(batches);
  check(cublasLtMatrixLayoutSetAttribute(raw, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count,
                                         sizeof count));
  check(cublasLtMatrixLayoutSetAttribute(raw, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
                                         sizeof stride));
  return owned;
}

template <class Value>
void set(const Operation& operation, cublasLtMatmulDescAttributes_t attribute, Value value) {
  check(cublasLtMatmulDescSetAttribute(operation.get(), attribute, &value, sizeof value));
}

// The alignment of the operands' addresses, up to the 256 bytes that the library assumes.
struct Alignment {
  uint32_t a, b, bias, y;

  Alignment(const void* pa, const void* pb, const void* pbias, const void* py)
      : a(of(pa)), b(of(pb)), bias(of(pbias)), y(of(py)) {}
  static uint32_t of(const void* p) {
    return 1u << std::min(8, std::countr_zero(reinterpret_cast<uintptr_t>(p)));
  }
};

// A product ready to run: y^T = op(b)^T op(a)^T, so the library's first operand is our second.
struct Plan {
  Operation operation;
  Layout a, b, y;
  cublasLtMatmulAlgo_t algorithm;
};

Operation make_operation(const Gemm& g, const void* bias) {
  cublasLtMatmulDesc_t raw = nullptr;
  check(cublasLtMatmulDescCreate(&raw, CUBLAS_COMPUTE_32F, CUDA_R_32F));  // not TF32
  Operation operation(raw);
  set(operation, CUBLASLT_MATMUL_DESC_TRANSA, g.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(operation, CUBLASLT_MATMUL_DESC_TRANSB, g.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (bias != nullptr) {
    // The heuristics read the address too, for its alignment.
    set(operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    set(operation, CUBLASLT_MATMUL_DESC_EPILOGUE,
        g.relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS);
    set(operation, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type_of(g.out));
  }
  return operation;
}

// The best deterministic algorithm by the library's heuristics.
cublasLtMatmulAlgo_t choose(const Gemm& g, const Alignment& alignment, const Plan& plan) {
  cublasLtMatmulPreference_t raw = nullptr;
  check(cublasLtMatmulPreferenceCreate(&raw));
  const Preference preference(raw);
  check(cublasLtMatmulPreferenceSetAttribute(raw, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                             &kWorkspaceBytes, sizeof kWorkspaceBytes));
  // Parts of a long sum are added in float32, and in order: not in place, not in the output's type.
  const uint32_t ordered = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  check(cublasLtMatmulPreferenceSetAttribute(raw, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                             &ordered, sizeof ordered));
  for (const auto& [attribute, bytes] :
       {std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment.b},
        std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment.a},
        std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment.y},
        std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment.y}}) {
    check(cublasLtMatmulPreferenceSetAttribute(raw, attribute, &bytes, sizeof bytes));
  }
  cublasLtMatmulHeuristicResult_t result{};
  int found = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      handle(), plan.operation.get(), plan.b.get(), plan.a.get(), plan.y.get(), plan.y.get(), raw,
      1, &result, &found);
  require(status == CUBLAS_STATUS_SUCCESS && found > 0 && result.state == CUBLAS_STATUS_SUCCESS,
          "cuBLASLt: no algorithm for [{}, {}] x [{}, {}], {} batches ({})", g.M, g.K, g.K, g.N,
          g.batches, cublasLtGetStatusString(status));
  return result.algo;
}

Plan make_plan(const Gemm& g, const Alignment& alignment, const void* bias) {
  const int64_t rows_a = g.transpose_a ? g.K : g.M, columns_a = g.transpose_a ? g.M : g.K;
  const int64_t rows_b = g.transpose_b ? g.N : g.K, columns_b = g.transpose_b ? g.K : g.N;
  Plan plan{make_operation(g, bias),
            layout(g.in, rows_a, columns_a, g.row_a(), g.batches, g.stride_a),
            layout(g.in, rows_b, columns_b, g.row_b(), g.batches, g.stride_b),
            layout(g.out, g.M, g.N, g.row_y(), g.batches, g.stride_y), {}};
  plan.algorithm = choose(g, alignment, plan);
  return plan;
}

std::string key_of(const Gemm& g, const Alignment& alignment, bool bias) {
  return fmt::format("{} {} {} {}{} {} {} {} {} {} {} {} {}{} {}{} {} {} {} {}", g.M, g.N, g.K,
                     g.transpose_a, g.transpose_b, g.lda, g.ldb, g.ldy, g.batches, g.stride_a,
                     g.stride_b, g.stride_y, static_cast<int>(g.in), static_cast<int>(g.out), bias,
                     g.relu, alignment.a, alignment.b, alignment.bias, alignment.y);
}

const Tensor& workspace() {
  static const auto* bytes = new Tensor({static_cast<int64_t>(kWorkspaceBytes)}, DType::u8,
                                        current_device());
  return *bytes;
}

}  // namespace

void gemm(const Gemm& g, const void* a, const void* b, const void* bias, void* y) {
  static auto* plans = new std::unordered_map<std::string, Plan>;
  const Alignment alignment(a, b, bias, y);
  const std::string key = key_of(g, alignment, bias != nullptr);
  auto found = plans->find(key);
  if (found == plans->end()) {
    found = plans->emplace(key, make_plan(g, alignment, bias)).first;
  }
  const Plan& plan = found->second;
  if (bias != nullptr) {
    set(plan.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
  const float one = 1, zero = 0;
  check(cublasLtMatmul(handle(), plan.operation.get(), &one, b, plan.b.get(), a, plan.a.get(),
                       &zero, y, plan.y.get(), y, plan.y.get(), &plan.algorithm,
                       workspace().raw(), kWorkspaceBytes, stream()));
}

}  // namespace mld::cuda
