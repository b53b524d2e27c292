// How other programs name and store the tensors of our models: the only place that knows it. One
// table, read both ways: a file is loaded by looking for their names, and exported under them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/model_spec.h"
#include "nn/module.h"

namespace mld {

// How their values follow from ours.
enum class Transform {
  none,
  // Theirs = |ours| + eps, the scale that an activated norm applies (spec/backbones.md 1): theirs
  // is the weight of an ordinary batch norm, after the convolution beside it.
  abn_scale,
};

// Wherever `ours`, a regular expression, is found in one of our names, it becomes `theirs`.
struct NameRule {
  const char* ours;
  const char* theirs;
  Transform transform = Transform::none;
};

struct NamingScheme {
  std::string_view name;       // of the program or repository: "timm"
  std::string_view backbones;  // the start of their names: "tresnet"; "": all
  std::span<const NameRule> rules;  // applied in order
  bool only_gap = false;     // it has no ML-Decoder head
  bool flat_blocks = false;  // before the rules "blocks.2.0." becomes "blocks.3.": counted through
};

// Our own names come first.
std::span<const NamingScheme> naming_schemes();
// Those for a backbone.
std::vector<const NamingScheme*> schemes_of(std::string_view backbone);
// The one with this name for this model. Errors: UsageError that names those there are.
const NamingScheme& scheme_named(std::string_view name, const ModelSpec& model);

struct ForeignName {
  std::string name;
  Transform transform = Transform::none;
};
// Their names for ours, which are a model's in its order.
std::vector<ForeignName> foreign_names(const NamingScheme& scheme,
                                       std::span<const std::string> ours);

// Tensors that a model of theirs has, but none of ours: fixed blur kernels.
bool is_constant(std::string_view name);

// Tensors of CLIP that a part of it, an image encoder without its last pool, does not have.
bool is_other_part_of_clip(const std::string& name);

// The state as the other program stores it, in our order.
StateDict export_state(const StateDict& ours, const NamingScheme& scheme);

// Undoes the transforms. A view is renamed to ours already; `transforms` belongs to `views`, one
// each. Replaces the views that change; their values then live in `kept`.
void undo_transforms(std::vector<StateView>& views, std::span<const Transform> transforms,
                     std::vector<Tensor>& kept);

// Note [Bottleneck classifier]. The ASL repository's models may end in two linear layers with
// nothing between them (bottleneck_head in src/models/tresnet/tresnet.py; infer.py wants them for
// Open Images). Replaces them by the linear layer that computes the same; its values are in `kept`.
void join_bottleneck(std::vector<StateView>& state, std::vector<Tensor>& kept);

}  // namespace mld
