// embedding: rows of a table by their ids.
#include "autograd/ops/common.h"

namespace mld {
namespace {

// Ids come from outside (a tokenizer's vocabulary): one out of range must not read memory.
void check_ids(const Tensor& ids, int64_t V) {
  if (ids.device().is_meta()) {
    return;  // there are no ids
  }
  const Tensor host = ids.to(Device{});
  const int32_t* id = host.data<int32_t>();
  for (int64_t i = 0; i < ids.numel(); ++i) {
    require(0 <= id[i] && id[i] < V, "embedding: id {} is {}, the table has {} rows", i, id[i], V);
  }
}

}  // namespace

Var embedding(const Tensor& ids, const Var& table) {
  ops::check_values("embedding", "table", table.value, "[V, D]");
  require(ids.defined() && ids.dtype() == DType::i32 && ids.numel() > 0 &&
              ids.shape().rank() < Shape::kMaxDims,
          "embedding: ids must be int32 with elements and at most {} dimensions, got {} {}",
          Shape::kMaxDims - 1, name_of(ids.dtype()), ids.shape());
  require(ids.device() == table.device(), "embedding: the table is on {}, ids are on {}",
          table.device().str(), ids.device().str());
  check_ids(ids, table.shape()[0]);
  const int64_t M = ids.numel(), D = table.shape()[1];
  std::vector<int64_t> dims(ids.shape().dims().begin(), ids.shape().dims().end());
  dims.push_back(D);
  const Shape shape{std::span<const int64_t>(dims)}, rows{M, D};
  const Tensor flat = ids.reshape({M});
  Tensor y(rows, table.dtype(), table.device());
  KERNEL(table.device(), embedding_forward)(flat, table.value, y);
  return record("embedding", y.reshape(shape), {table},
                [flat, rows, shape = table.shape()](const Tensor& dy) -> Grads {
    Tensor dtable(shape, dy.dtype(), dy.device());
    KERNEL(dy.device(), embedding_backward)(dy.reshape(rows), flat, dtable);
    return {dtable};
  });
}

}  // namespace mld
