// Rows of a tensor: a view; backward puts dy into a tensor of zeros.
#include "autograd/ops.h"
#include "core/kernels.h"

namespace mld {

Var rows(const Var& x, int64_t begin, int64_t end) {
  return record("rows", x.value.rows(begin, end), {x},
                [shape = x.shape(), begin, end](const Tensor& dy) -> Grads {
    Tensor dx = Tensor::zeros(shape, dy.dtype(), dy.device());
    Tensor part = dx.rows(begin, end);
    KERNEL(dy.device(), copy)(dy, part);
    return {dx};
  });
}

}  // namespace mld
