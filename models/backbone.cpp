#include "models/backbone.h"

#include "autograd/ops.h"

namespace mld {

Var as_tokens(const Var& x) {
  const Shape& s = x.shape();
  require(s.rank() == 3 || s.rank() == 4,
          "head: features must be [N, H, W, C] or tokens [N, T, C], got {}", s);
  return s.rank() == 3 ? x : reshape(x, {s[0], s[1] * s[2], s[3]});
}

}  // namespace mld
