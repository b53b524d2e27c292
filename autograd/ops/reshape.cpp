// reshape: the same elements under another shape, sharing memory both ways.
#include "autograd/ops.h"

namespace mld {

Var reshape(const Var& x, const Shape& shape) {
  return record("reshape", x.value.reshape(shape), {x},
                [shape = x.shape()](const Tensor& dy) -> Grads { return {dy.reshape(shape)}; });
}

}  // namespace mld
