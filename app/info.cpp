// mlinfer info: the content of a checkpoint, or the cost of a model.
#include <algorithm>

#include "app/infer.h"
#include "app/program.h"
#include "data/text.h"
#include "models/summary.h"
#include "train/checkpoint.h"
#include "train/thresholds.h"

namespace mld {

// "[112, 112, 64]": the shape for one picture.
static std::string shape_text(const Shape& shape) {
  return shape.rank() > 1 && shape[0] == 1 ? Shape(shape.dims().subspan(1)).str() : shape.str();
}

static void print_cost(const meta::Line& cost, size_t width) {
  print(stdout, "{:<{}}  {:<18} {:>12} {:>10.3f} {:>12.2f}\n", cost.name, width,
        shape_text(cost.out), cost.parameters, static_cast<double>(cost.macs) / 1e6,
        static_cast<double>(cost.activations) / 0x1p20);
}

static void print_summary(const ModelSpec& spec, int64_t image_size, bool stages) {
  const ModelSummary summary = model_summary(spec, image_size, image_size);
  const meta::Line& total = summary.total;
  print(stdout, "model       {} + {}, {} classes\n", spec.backbone, spec.head, spec.classes);
  print(stdout, "input       [N, {0}, {0}, 3]\n", image_size);
  print(stdout, "parameters  {} ({:.2f} M), {} trained\n", total.parameters,
        static_cast<double>(total.parameters) / 1e6, summary.trainable);
  print(stdout, "GMACs       {:.3f} a picture\n", static_cast<double>(total.macs) / 1e9);
  print(stdout, "memory      {:.1f} MiB to score one picture, {:.1f} MiB of them parameters\n\n",
        static_cast<double>(summary.peak) / 0x1p20,
        static_cast<double>(total.parameters) * sizeof(float) / 0x1p20);
  const std::vector<meta::Line>& rows = stages ? summary.stages : summary.layers;
  size_t width = total.name.size();
  for (const meta::Line& row : rows) {
    width = std::max(width, row.name.size());
  }
  print(stdout, "{:<{}}  {:<18} {:>12} {:>10} {:>12}\n", stages ? "stage" : "layer", width,
        "output", "parameters", "MMACs", "output MiB");
  for (const meta::Line& row : rows) {
    print_cost(row, width);
  }
  print_cost(total, width);
}

std::string pictures_text(const Preprocess& spec) {
  return fmt::format("{} px{}, {}{}, {}, normalize {}{}{}", for_evaluation(spec).image_size,
                     spec.eval_size > 0 ? fmt::format(" (training: {})", spec.image_size) : "",
                     word(spec.resize),
                     spec.crop_pct < 1 ? fmt::format(" {}", spec.crop_pct) : "",
                     word(spec.interpolation), word(spec.normalize),
                     spec.exif == Exif::apply ? ", exif apply" : "",
                     spec.background ? ", background " + colour_text(spec.background) : "");
}

ExitCode execute(const InfoCommand& command) {
  if (command.checkpoint.empty()) {
    print_summary({.backbone = command.model, .head = command.head, .classes = command.classes},
                  command.image_size, command.stages);
    return ExitCode::ok;
  }
  const CheckpointInfo info = read_checkpoint_info(command.checkpoint);
  print(stdout, "checkpoint  {}\n", printable(command.checkpoint));
  print(stdout, "task        {}, {} weights\n", word(info.task), info.weights);
  print(stdout, "pictures    {}\n", pictures_text(info.preprocess));
  for (const auto& [name, value] : info.metrics) {
    print(stdout, "{:<11} {:g}\n", printable(name), value);
  }
  if (info.model.word_dim > 0) {
    const auto unseen = std::ranges::count(info.seen, false);
    print(stdout, "words       vectors of {} numbers; {} classes seen in training, {} not\n",
          info.model.word_dim, std::ssize(info.class_names) - unseen, unseen);
  }
  if (!info.thresholds.empty()) {
    const auto [low, high] = std::ranges::minmax(info.thresholds);
    print(stdout, "thresholds  fitted per class, {} to {}\n", threshold_text(low, 4),
          threshold_text(high, 4));
  }
  print_summary(info.model, for_evaluation(info.preprocess).image_size, command.stages);
  print(stdout, "\nclasses     {}\n\n{}\n",
        name_list(info.class_names, info.class_names.size()), printable_lines(info.config));
  return ExitCode::ok;
}

}  // namespace mld
