#include "models/pretrained.h"

#include <algorithm>
#include <set>

#include "models/our_state.h"

namespace mld {

namespace {

bool under(std::string_view name, std::string_view prefix) {
  return name.starts_with(prefix) && name.size() > prefix.size() && name[prefix.size()] == '.';
}

// Whether everything that does not fit belongs to the head.
bool only_head(const LoadReport& report, const std::string& head) {
  const auto of_head = [&](const std::string& name) { return under(name, head); };
  return std::all_of(report.missing.begin(), report.missing.end(), of_head) &&
         std::all_of(report.unexpected.begin(), report.unexpected.end(), of_head) &&
         std::all_of(report.mismatched.begin(), report.mismatched.end(), of_head);
}

// What to try when the report's misfits are an error: "" or "; ...".
std::string advice(const Classifier& model, const LoadReport& report,
                   std::span<const StateView> state) {
  if (only_head(report, model.head_name)) {
    return "; model.init_policy = \"backbone\" leaves the head out";
  }
  const NearestBackbone nearest = nearest_backbone(state);
  return nearest.name.empty() || nearest.name == model.spec.backbone
             ? ""
             : fmt::format("; the file looks like a {} ({} of its {} tensors fit)", nearest.name,
                           nearest.found, nearest.of);
}

std::string listed(const char* what, const std::vector<std::string>& names) {
  constexpr size_t kShown = 12;
  std::string text = names.empty() ? "" : std::string("; ") + what + ": ";
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    text += (i > 0 ? ", " : "") + names[i];
  }
  return text + (names.size() > kShown ? fmt::format(" and {} more", names.size() - kShown) : "");
}

// The shape of a tensor in the state; rank 0 if it is not there.
Shape shape_in(const OurState& state, const std::string& name) {
  const auto found = std::find_if(state.views.begin(), state.views.end(),
                                  [&](const StateView& view) { return view.name == name; });
  return found == state.views.end() ? Shape{} : found->shape;
}

// Reads the sizes of the spec's head from the state. False if the state has another head.
bool read_head(ModelSpec& spec, std::span<const StateView> state) {
  spec.classes = 1;
  spec.groups = 1;
  const auto model = make_model(spec);
  const OurState ours = under_our_names(*model, spec.backbone, state);
  const auto shape_of = [&](const std::string& name) {
    return shape_in(ours, model->head_name + "." + name);
  };
  if (spec.head == "ml_decoder") {
    const Shape pooling = shape_of("decoder.duplicate_pooling");  // [G, D, g]
    const Shape bias = shape_of("decoder.duplicate_pooling_bias");  // [K]
    const Shape ffn = shape_of("decoder.layers.0.linear1.weight");  // [ffn, D]
    if (pooling.rank() != 3 || bias.rank() != 1 || ffn.rank() != 2) {
      return false;
    }
    spec.groups = pooling[0];
    spec.embed_dim = pooling[1];
    spec.classes = bias[0];
    spec.ffn = ffn[0];
    return true;
  }
  if (spec.head == "transformer_decoder") {
    const Shape queries = shape_of("query_embed.weight");  // [K, D]
    const Shape ffn = shape_of("layer.linear1.weight");    // [ffn, D]
    if (queries.rank() != 2 || ffn.rank() != 2) {
      return false;
    }
    spec.classes = queries[0];
    spec.embed_dim = queries[1];
    spec.ffn = ffn[0];
    return true;
  }
  const Shape weight = shape_of(state_tensors(*model->head).front().first);  // [K, C]
  spec.classes = weight.rank() == 2 ? weight[0] : 0;
  return spec.head == "gap" && weight.rank() == 2;
}

}  // namespace

std::string PretrainedReport::text() const {
  std::vector<std::string> unchanged = missing;
  unchanged.insert(unchanged.end(), mismatched.begin(), mismatched.end());
  return fmt::format("{} tensors loaded{}{} (names of {}{}){}{}", loaded,
                     entry.empty() ? "" : " from ", entry, naming,
                     prefix.empty() ? "" : ", after a prefix", listed("unchanged", unchanged),
                     listed("not used", unexpected));
}

PretrainedReport load_pretrained(Classifier& model, std::span<const StateView> given,
                                 InitPolicy policy) {
  std::vector<StateView> state(given.begin(), given.end());
  std::vector<Tensor> joined;
  join_bottleneck(state, joined);
  OurState ours = under_our_names(model, model.spec.backbone, state);
  std::set<std::string_view> seen;
  for (const StateView& view : ours.views) {
    require<DataError>(seen.insert(view.name).second,
                       "pretrained weights: two tensors map to {}; remove one of them", view.name);
  }
  undo_transforms(ours.views, ours.transforms, ours.kept);
  const bool all = policy != InitPolicy::backbone;
  if (!all) {
    std::erase_if(ours.views, [&](const StateView& v) { return under(v.name, model.head_name); });
  }
  Module& target = all ? static_cast<Module&>(model) : *model.backbone;
  const LoadReport match = match_state(target, ours.views);
  const std::string wrong = misfits(match);
  const size_t fitting = ours.views.size() - match.unexpected.size() - match.mismatched.size();
  if (policy == InitPolicy::matching) {
    require<DataError>(fitting > 0, "pretrained weights: none of the file's {} tensors fits the "
                       "model, a {}{}", ours.views.size(), model.spec.backbone,
                       advice(model, match, state));
  } else {
    require<DataError>(wrong.empty(), "the weights do not fit the model: {}{}", wrong,
                       wrong.empty() ? "" : advice(model, match, state));
  }
  PretrainedReport report{load_state(target, ours.views, LoadPolicy::matching), fitting,
                          ours.naming, ours.prefix};
  if (!all) {
    for (const auto& [name, tensor] : state_tensors(*model.head)) {
      report.missing.push_back(model.head_name + "." + name);
    }
  }
  return report;
}

NearestBackbone nearest_backbone(std::span<const StateView> state) {
  NearestBackbone nearest;
  double best = 0.5;
  for (const BackboneRow& row : backbones()) {
    const std::unique_ptr<Backbone> backbone = row.make();
    const OurState ours = under_our_names(*backbone, row.name, state);
    const size_t of = state_tensors(*backbone).size();
    const LoadReport match = match_state(*backbone, ours.views);
    const size_t found = of - match.missing.size() - match.mismatched.size();
    const double share = static_cast<double>(found) / static_cast<double>(of);
    if (share > best || (share == best && found > nearest.found)) {
      best = share;
      nearest = {row.name, found, of};
    }
  }
  return nearest;
}

ModelSpec model_of(std::span<const StateView> given, std::string_view backbone) {
  std::vector<StateView> state(given.begin(), given.end());
  std::vector<Tensor> joined;
  join_bottleneck(state, joined);
  const NearestBackbone nearest = backbone.empty() ? nearest_backbone(state) : NearestBackbone{};
  require<DataError>(!backbone.empty() || !nearest.name.empty(),
                     "the weights fit none of the backbones {}",
                     fmt::join(names_of(backbones()), ", "));
  ModelSpec spec{.backbone = std::string(backbone.empty() ? nearest.name : backbone)};
  for (const HeadRow& head : heads()) {
    spec.head = head.name;  // one that needs words cannot be known from its tensors alone
    if (!head.reads_words(spec) && read_head(spec, state)) {
      return spec;
    }
  }
  fail<DataError>("the weights of a {}, but with none of the heads {}", spec.backbone,
                  fmt::join(names_of(heads()), ", "));
}

}  // namespace mld
