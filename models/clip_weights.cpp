// CLIP's sizes and values from other programs' files.
#include <algorithm>
#include <iterator>
#include <map>
#include <regex>
#include <set>

#include <fmt/ranges.h>

#include "models/clip.h"
#include "models/our_state.h"
#include "models/position_grid.h"

namespace mld {

namespace {

// Where a name ends in `ending`, what precedes it; nullopt elsewhere.
std::optional<std::string> before(const std::string& name, std::string_view ending) {
  return name.ends_with(ending) ? std::optional(name.substr(0, name.size() - ending.size()))
                                : std::nullopt;
}

// The tensors' shapes under OpenAI's names: without a wrapper's prefix, which precedes the name of
// a first convolution or token table, and without open_clip's "text.".
std::map<std::string, Shape> openai_shapes(std::span<const StateView> state) {
  std::string prefix;
  for (const StateView& view : state) {
    for (const char* known : {"visual.conv1.weight", "text.token_embedding.weight",
                              "token_embedding.weight"}) {
      const auto found = before(view.name, known);
      if (found && (found->empty() || found->ends_with('.')) && !found->ends_with("text.")) {
        prefix = *found;
      }
    }
  }
  std::map<std::string, Shape> shapes;
  for (const StateView& view : state) {
    std::string name = view.name;
    for (const std::string& start : {prefix, std::string("text.")}) {
      name.erase(0, name.starts_with(start) ? start.size() : 0);
    }
    shapes.emplace(std::move(name), view.shape);
  }
  return shapes;
}

class Shapes {
 public:
  explicit Shapes(std::span<const StateView> state) : shapes_(openai_shapes(state)) {}

  bool has(const std::string& name) const { return shapes_.contains(name); }
  // Errors: a tensor that is not there or has another rank; `part` is what it belongs to.
  Shape at(const std::string& name, int rank, std::string_view part) const {
    const auto found = shapes_.find(name);
    require<DataError>(found != shapes_.end(),
                       "the weights have no {} of CLIP: there is no {}; expected a state dict "
                       "under OpenAI's names or open_clip's", part, name);
    require<DataError>(found->second.rank() == rank,
                       "the weights' {} has shape {}, expected {} dimensions", name, found->second,
                       rank);
    return found->second;
  }
  // How many different numbers follow `start`, as in "transformer.resblocks.11.".
  int64_t numbered(const std::string& start) const {
    std::set<std::string> numbers;
    for (const auto& [name, shape] : shapes_) {
      if (name.starts_with(start)) {
        numbers.insert(name.substr(start.size(), name.find('.', start.size()) - start.size()));
      }
    }
    return static_cast<int64_t>(numbers.size());
  }

 private:
  std::map<std::string, Shape> shapes_;
};

int heads_of(int64_t width, std::string_view part) {
  require<DataError>(width > 0 && width % kClipHeadWidth == 0,
                     "the weights' {} is {} wide, which is no multiple of a head's {}", part, width,
                     kClipHeadWidth);
  return static_cast<int>(width / kClipHeadWidth);
}

ClipTextSpec text_spec_of(const Shapes& shapes) {
  const std::string_view part = "text tower";
  const Shape tokens = shapes.at("token_embedding.weight", 2, part);  // [vocabulary, width]
  return {.width = tokens[1],
          .layers = shapes.numbered("transformer.resblocks."),
          .heads = heads_of(tokens[1], part),
          .context = shapes.at("positional_embedding", 2, part)[0],
          .vocabulary = tokens[0],
          .embed = shapes.at("text_projection", 2, "projection of texts")[1]};
}

ClipVitSpec vit_spec_of(const Shapes& shapes, const Shape& conv1) {
  const int64_t patch = conv1[3];
  const Shape positions = shapes.at("visual.positional_embedding", 2, "image tower");
  return {.image_size = patch * grid_side(positions),
          .patch = patch,
          .width = conv1[0],
          .layers = shapes.numbered("visual.transformer.resblocks."),
          .heads = heads_of(conv1[0], "image tower"),
          .embed = shapes.at("visual.proj", 2, "projection of pictures")[1]};
}

ClipResNetSpec resnet_spec_of(const Shapes& shapes) {
  ClipResNetSpec spec;
  for (size_t stage = 0; stage < spec.layers.size(); ++stage) {
    spec.layers[stage] =
        static_cast<int>(shapes.numbered(fmt::format("visual.layer{}.", stage + 1)));
  }
  spec.width = shapes.at("visual.layer1.0.conv1.weight", 4, "image tower")[0];
  const std::string_view pool = "attention pool";
  spec.image_size = 32 * grid_side(shapes.at("visual.attnpool.positional_embedding", 2, pool));
  spec.heads = heads_of(32 * spec.width, "image tower");
  spec.embed = shapes.at("visual.attnpool.c_proj.weight", 2, pool)[0];
  return spec;
}

// Renames and loads, under the names and the prefix that make most of them known.
void load_as_clip(Module& model, std::span<const StateView> state) {
  const OurState ours = under_our_names(model, "clip", state);
  const std::string wrong = misfits(match_state(model, ours.views));
  require<DataError>(wrong.empty(), "the weights do not fit the CLIP model of these sizes: {}",
                     wrong);
  load_state(model, ours.views);
}

}  // namespace

bool is_clip(std::span<const std::string> names) {
  return std::ranges::any_of(names, [](const std::string& name) {
    return name.ends_with("visual.conv1.weight") || name.ends_with("text_projection");
  });
}

ClipSpec clip_spec_of(std::span<const StateView> state) {
  const Shapes shapes(state);
  ClipSpec spec;
  const Shape conv1 = shapes.at("visual.conv1.weight", 4, "image tower");  // OIHW
  if (shapes.has("visual.attnpool.c_proj.weight") || shapes.has("visual.conv2.weight")) {
    spec.vision = resnet_spec_of(shapes);
  } else {
    spec.vision = vit_spec_of(shapes, conv1);
  }
  spec.text = text_spec_of(shapes);
  return spec;
}

void load_clip(Clip& model, std::span<const StateView> state) { load_as_clip(model, state); }

std::unique_ptr<ClipText> clip_text_of(std::span<const StateView> state) {
  auto text = std::make_unique<ClipText>(text_spec_of(Shapes(state)));
  static const std::regex not_of_texts(
      R"((^|\.)(visual\.|(logit_scale|logit_bias|input_resolution|context_length|vocab_size)$))");
  std::vector<StateView> of_texts;
  std::ranges::remove_copy_if(state, std::back_inserter(of_texts), [](const StateView& view) {
    return std::regex_search(view.name, not_of_texts);
  });
  load_as_clip(*text, of_texts);
  return text;
}

}  // namespace mld
