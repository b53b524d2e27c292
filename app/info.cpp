// mlinfer info: the content of a checkpoint, or the cost of a model.
#include <algorithm>
#include <cstdio>

#include "app/infer.h"
#include "data/text.h"
#include "models/summary.h"
#include "train/checkpoint.h"

namespace mld {

// "[112, 112, 64]": the shape for one picture.
static std::string shape_text(const Shape& shape) {
  return shape.rank() > 1 && shape[0] == 1 ? Shape(shape.dims().subspan(1)).str() : shape.str();
}

static void print_cost(const meta::Line& cost, size_t width) {
  std::printf("%-*s  %-18s %12ld %10.3f %12.2f\n", static_cast<int>(width), cost.name.c_str(),
              shape_text(cost.out).c_str(), static_cast<long>(cost.parameters),
              static_cast<double>(cost.macs) / 1e6, static_cast<double>(cost.activations) / 0x1p20);
}

static void print_summary(const ModelSpec& spec, int64_t image_size, bool stages) {
  const ModelSummary summary = model_summary(spec, image_size, image_size);
  const meta::Line& total = summary.total;
  std::printf("model       %s + %s, %ld classes\n", spec.backbone.c_str(), spec.head.c_str(),
              static_cast<long>(spec.classes));
  std::printf("input       [N, %ld, %ld, 3]\n", static_cast<long>(image_size),
              static_cast<long>(image_size));
  std::printf("parameters  %ld (%.2f M), %ld trained\n", static_cast<long>(total.parameters),
              static_cast<double>(total.parameters) / 1e6, static_cast<long>(summary.trainable));
  std::printf("GMACs       %.3f a picture\n", static_cast<double>(total.macs) / 1e9);
  std::printf("memory      %.1f MiB to score one picture, %.1f MiB of them parameters\n\n",
              static_cast<double>(summary.peak) / 0x1p20,
              static_cast<double>(total.parameters) * sizeof(float) / 0x1p20);
  const std::vector<meta::Line>& rows = stages ? summary.stages : summary.layers;
  size_t width = total.name.size();
  for (const meta::Line& row : rows) {
    width = std::max(width, row.name.size());
  }
  std::printf("%-*s  %-18s %12s %10s %12s\n", static_cast<int>(width), stages ? "stage" : "layer",
              "output", "parameters", "MMACs", "output MiB");
  for (const meta::Line& row : rows) {
    print_cost(row, width);
  }
  print_cost(total, width);
}

ExitCode info_command(const InfoCommand& command) {
  if (command.checkpoint.empty()) {
    print_summary({.backbone = command.model, .head = command.head, .classes = command.classes},
                  command.image_size, command.stages);
    return ExitCode::ok;
  }
  const CheckpointInfo info = read_checkpoint_info(command.checkpoint);
  std::printf("checkpoint  %s\n", printable(command.checkpoint).c_str());
  const auto text = [](auto value) { return std::string(word(value)); };
  const Preprocess& p = info.preprocess;
  std::printf("task        %s, %s weights\n", text(info.task).c_str(), info.weights.c_str());
  std::printf("pictures    %ld px, %s, %s, normalize %s\n", static_cast<long>(p.image_size),
              text(p.resize).c_str(), text(p.interpolation).c_str(), text(p.normalize).c_str());
  if (p.exif == Exif::apply || p.background) {
    std::printf("            exif %s, background %s\n", text(p.exif).c_str(),
                p.background ? colour_text(p.background).c_str() : "none");
  }
  for (const auto& [name, value] : info.metrics) {
    std::printf("%-11s %g\n", printable(name).c_str(), value);
  }
  print_summary(info.model, p.image_size, command.stages);
  std::printf("\nclasses     ");
  for (size_t i = 0; i < info.class_names.size(); ++i) {
    std::printf("%s%s", i ? ", " : "", printable(info.class_names[i]).c_str());
  }
  std::printf("\n\n%s\n", printable_lines(info.config).c_str());
  return ExitCode::ok;
}

}  // namespace mld
