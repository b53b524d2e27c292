// Which algorithm computes a convolution in a build without oneDNN: a matrix product, or the
// depthwise kernels.
#include "core/cpu/support/conv2d.h"

namespace mld::cpu {

bool has_onednn() { return false; }

ConvAlgorithm choose_algorithm(ConvDirection, const ConvProblem& problem) {
  return problem.is_depthwise()        ? ConvAlgorithm::depthwise
         : problem.is_matrix_product() ? ConvAlgorithm::gemm
                                       : ConvAlgorithm::unfolded;
}

[[noreturn]] static void absent() {
  fail("conv2d: this build has no oneDNN (MLD_ONEDNN=OFF), so only gemm, unfolded, depthwise work");
}
void onednn_forward(bool, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                    const Conv2dSpec&, Tensor&) {
  absent();
}
void onednn_backward_data(bool, const Tensor&, const Tensor&, const Conv2dSpec&, Tensor&) {
  absent();
}
void onednn_backward_weight(bool, const Tensor&, const Tensor&, const Conv2dSpec&, Tensor&) {
  absent();
}

}  // namespace mld::cpu
