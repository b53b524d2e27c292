// misc/operators: single differentiable operators, outputs and gradients.
#include <functional>
#include <map>

#include "autograd/ops.h"
#include "tests/parity/fixture.h"
#include "tests/parity/kinds.h"

namespace mld::parity {
namespace {

using Vars = std::vector<Var>;

// An operator as the fixtures store it: <name>/in<i>, /out, /R and /grad<i> of sum(out * R).
struct Operator {
  std::function<Var(const Vars&)> apply;
  // How stored tensors become ours and back; empty: they have our layout.
  Order to_ours{}, from_ours{};
  int reordered = 0;          // inputs 0 .. reordered-1 (and the output) are reordered
  bool last_reordered = false;  // so is the last input
  bool flat_output = false;   // the output has our layout although the inputs do not
};

void run_operator(Fixture& fixture, const std::string& name, const Operator& op) {
  size_t count = 0;
  while (fixture.has(name + "/in" + std::to_string(count))) {
    ++count;
  }
  require<DataError>(count > 0, "{}: no {}/in0", fixture.name(), name);
  const auto reordered = [&](size_t i) {
    return i < static_cast<size_t>(op.reordered) || (op.last_reordered && i + 1 == count);
  };
  Tape tape;
  Vars inputs;
  std::vector<std::vector<int64_t>> shapes;
  for (size_t i = 0; i < count; ++i) {
    const Array in = fixture.array(name + "/in" + std::to_string(i));
    shapes.push_back(in.shape);
    inputs.push_back(tape.variable(to_tensor(in, reordered(i) ? op.to_ours : Order{})));
  }
  const Var out = op.apply(inputs);
  const Array r = fixture.array(name + "/R");
  const Order in_order = op.flat_output ? Order{} : op.to_ours;
  const Order out_order = op.flat_output ? Order{} : op.from_ours;
  // Some of our ops keep dimensions of length one (a global pool) that the stored shape lacks.
  const Array ours = to_array(out.value, out_order);
  fixture.compare(name + "/out", ours.numel() == r.numel() ? reshape(ours, r.shape) : ours);
  tape.backward(out, to_tensor(r, in_order).reshape(out.shape()));
  for (size_t i = 0; i < count; ++i) {
    const Tensor grad = tape.grad(inputs[i]);
    fixture.compare(name + "/grad" + std::to_string(i),
                    reshape(to_array(grad, reordered(i) ? op.from_ours : Order{}), shapes[i]));
  }
}

Operator conv(const Json& config) {
  const Conv2dSpec spec{.stride = static_cast<int>(integer(config, "stride", 1)),
                        .pad = static_cast<int>(integer(config, "padding", 0)),
                        .dilation = static_cast<int>(integer(config, "dilation", 1)),
                        .groups = static_cast<int>(integer(config, "groups", 1))};
  return {.apply = [spec](const Vars& v) {
            return v.size() > 2 ? conv2d(v[0], v[1], v[2], spec) : conv2d(v[0], v[1], spec);
          },
          .to_ours = kToNhwc, .from_ours = kFromNhwc, .reordered = 2};
}

// The packed projections of torch.nn.MultiheadAttention around our attention op.
//   q [N, Q, D], memory [N, L, D], w [3D, D], b [3D], wo [D, D], bo [D]
Var multihead(const Vars& v, const AttentionSpec& spec) {
  const Var& q = v[0];
  const Var& memory = v.size() > 5 ? v[5] : v[0];
  const int64_t D = q.shape()[2];
  const auto project = [&](const Var& x, int64_t which) {
    const int64_t begin = which * D, end = begin + D;
    return linear(x, rows(v[1], begin, end), rows(v[2], begin, end));
  };
  return linear(attention(project(q, 0), project(memory, 1), project(memory, 2), spec), v[3], v[4]);
}

Operator attention_operator(const Json& config) {
  const AttentionSpec spec{.heads = static_cast<int>(integer(config, "heads")),
                           .causal = flag(config, "causal", false)};
  const bool time_first = text(config, "layout", "(time, batch, embed)").starts_with("(time");
  Operator op{.apply = [spec](const Vars& v) { return multihead(v, spec); }};
  if (time_first) {
    op.to_ours = op.from_ours = kSwapFirst;
    op.reordered = 1;
  }
  return op;
}

// in0 [..., M, C], in1 [..., C, O] with any leading dimensions.
Var batched_matmul(const Vars& v) {
  const auto flatten = [](const Var& x) {
    const Shape& s = x.shape();
    return reshape(x, {s.numel() / (s[-1] * s[-2]), s[-2], s[-1]});
  };
  return matmul(flatten(v[0]), flatten(v[1]));
}

Operator embedding_operator(const Json& config) {
  std::vector<int32_t> ids;
  std::vector<int64_t> shape;
  std::function<void(const Json&, size_t)> walk = [&](const Json& value, size_t depth) {
    if (!value.IsArray()) {
      ids.push_back(value.GetInt());
      return;
    }
    if (depth == shape.size()) {
      shape.push_back(value.Size());
    }
    for (const Json& element : value.GetArray()) {
      walk(element, depth + 1);
    }
  };
  walk(member(config, "indices"), 0);
  Tensor table(Shape(std::span<const int64_t>(shape)), DType::i32);
  std::copy(ids.begin(), ids.end(), table.data<int32_t>());
  return {.apply = [table = table.to(device())](const Vars& v) { return embedding(table, v[0]); }};
}

// Softmax-like operators over dimension `dim`; ours work on the last one.
Operator over_dimension(const Json& config, Var (*op)(const Var&), int rank) {
  const int64_t dim = integer(config, "dim", -1);
  const int axis = static_cast<int>(dim < 0 ? dim + rank : dim);
  if (axis == rank - 1) {
    return {.apply = [op](const Vars& v) { return op(v[0]); }};
  }
  Order order;  // swaps `axis` with the last dimension: its own inverse
  for (int i = 0; i < rank; ++i) {
    order.push_back(i == axis ? rank - 1 : i == rank - 1 ? axis : i);
  }
  return {.apply = [op](const Vars& v) { return op(v[0]); },
          .to_ours = order, .from_ours = order, .reordered = 1};
}

// Both modes with running statistics <name>/rm, /rv before and <...>_after.
void run_batch_norm(Fixture& fixture, const std::string& name, const Json& config, bool training) {
  Tensor mean = to_tensor(fixture.array(name + "/rm"));
  Tensor var = to_tensor(fixture.array(name + "/rv"));
  const BatchNormSpec spec{.training = training,
                           .eps = static_cast<float>(number(config, "eps", 1e-5)),
                           .momentum = static_cast<float>(number(config, "momentum", 0.1))};
  const auto apply = [&](const Vars& v) {
    return batch_norm(v[0], v[1], v[2], mean, var, spec);
  };
  run_operator(fixture, name,
               {.apply = apply, .to_ours = kToNhwc, .from_ours = kFromNhwc, .reordered = 1});
  fixture.compare(name + "/rm_after", to_array(mean));
  fixture.compare(name + "/rv_after", to_array(var));
}

Operator plain(Var (*op)(const Var&)) {
  return {.apply = [op](const Vars& v) { return op(v[0]); }};
}

Operator layer_norm_operator(const Json& config) {
  const LayerNormSpec spec{.eps = static_cast<float>(number(config, "eps", 1e-5))};
  return {.apply = [spec](const Vars& v) {
    return v.size() > 1 ? layer_norm(v[0], v[1], v[2], spec) : layer_norm(v[0], spec);
  }};
}

Operator find_operator(Fixture& fixture, const std::string& name, const Json& config) {
  static const std::map<std::string, Var (*)(const Var&)> kPlain{
      {"quick_gelu", quick_gelu}, {"gelu", gelu},           {"relu", relu},
      {"sigmoid", sigmoid},       {"softplus", softplus},   {"l2_normalise", l2_normalize}};
  if (const auto found = kPlain.find(name); found != kPlain.end()) {
    return plain(found->second);
  }
  if (name.starts_with("conv")) return conv(config);
  if (name.starts_with("mha")) return attention_operator(config);
  if (name.starts_with("layer_norm")) return layer_norm_operator(config);
  if (name == "softmax" || name == "log_softmax") {
    const int rank = static_cast<int>(fixture.array(name + "/in0").shape.size());
    return over_dimension(config, name == "softmax" ? softmax : log_softmax, rank);
  }
  if (name == "leaky_relu") {
    const float slope = static_cast<float>(number(config, "slope", 0.01));
    return {.apply = [slope](const Vars& v) { return leaky_relu(v[0], slope); }};
  }
  if (name == "linear") {
    return {.apply = [](const Vars& v) {
      return v.size() > 2 ? linear(v[0], v[1], v[2]) : linear(v[0], v[1]);
    }};
  }
  if (name == "matmul_batched") return {.apply = batched_matmul};
  if (name == "global_avg") {
    return {.apply = [](const Vars& v) { return global_avg_pool(v[0]); },
            .to_ours = kToNhwc, .from_ours = kFromNhwc, .reordered = 1, .flat_output = true};
  }
  if (name == "adaptive_mean_var") {  // unbiased variance over dimension 1: in0 [N, L]
    return {.apply = [](const Vars& v) {
      return variance_tokens(reshape(v[0], {v[0].shape()[0], v[0].shape()[1], 1}));
    }};
  }
  if (name == "embedding") return embedding_operator(config);
  fail<DataError>("{}: no operator \"{}\"", fixture.name(), name);
}

}  // namespace

void run_operators(Fixture& fixture) {
  for (const Json* config : elements(fixture.config())) {
    const std::string name = text(*config, "name");
    if (name.starts_with("batch_norm")) {
      run_batch_norm(fixture, name, *config, name.ends_with("train"));
    } else {
      Operator op = find_operator(fixture, name, *config);
      if (name.starts_with("mha") && fixture.has(name + "/in5")) {
        op.last_reordered = op.reordered > 0;
      }
      run_operator(fixture, name, op);
    }
  }
}

}  // namespace mld::parity
