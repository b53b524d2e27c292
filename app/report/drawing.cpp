// From plain geometry to the template plot.html.
#include "app/report/plot.h"
#include "app/report/plot_frame.h"
#include "data/text.h"

namespace mld {
namespace {

std::string at(double value) { return fmt::format("{:.1f}", value); }

void show_tip(const Slots& shape, const std::string& tip) {
  if (!tip.empty()) {
    shape.show("TIPPED", "TIP", tip);
  }
}

// Between where a text begins or ends and the drawing's edge; it is cut off there.
double room(const Drawing::Text& text, const Drawing& drawing) {
  return text.turned ? text.y : text.anchor == "end" ? text.x : drawing.width - text.x;
}

// What fits into the drawing; the whole text is the tip.
void set_text(const Drawing::Text& text, const Drawing& drawing, Slots shape) {
  const std::string all = printable(text.text);
  if (text.anchor == "middle" || text_width(all) <= room(text, drawing)) {
    shape.set("TEXT", all);
    return;
  }
  size_t characters = all.size();
  const auto shortened = [&] { return all.substr(0, bytes_of_first(characters, all)) + "…"; };
  while (characters > 1 && text_width(shortened()) > room(text, drawing)) {
    --characters;
  }
  shape.set("TEXT", shortened());
  show_tip(shape, all);
}

void fill_shapes(const Drawing& drawing, const Slots& into) {
  for (const Drawing::Rect& rect : drawing.rects) {
    Slots shape = into.section("RECT");
    shape.set("X", at(rect.x));
    shape.set("Y", at(rect.y));
    shape.set("W", at(rect.width));
    shape.set("H", at(rect.height));
    shape.set("INK", rect.ink);
    if (rect.opacity < 1) {
      shape.show("SHADED", "OPACITY", fmt::format("{:.2f}", rect.opacity));
    }
    show_tip(shape, rect.tip);
  }
  for (const Drawing::Line& line : drawing.lines) {
    Slots shape = into.section("LINE");
    shape.set("D", fmt::format("M{:.1f} {:.1f}L{:.1f} {:.1f}", line.x1, line.y1, line.x2, line.y2));
    shape.set("INK", line.ink);
  }
  for (const Drawing::Path& path : drawing.paths) {
    Slots shape = into.section("PATH");
    shape.set("D", path.d);
    shape.set("INK", path.ink);
  }
  for (const Drawing::Circle& circle : drawing.circles) {
    Slots shape = into.section("CIRCLE");
    shape.set("X", at(circle.x));
    shape.set("Y", at(circle.y));
    shape.set("R", at(circle.r));
    shape.set("INK", circle.ink);
    show_tip(shape, circle.tip);
  }
}

}  // namespace

void fill(const Drawing& drawing, Slots into) {
  into.set("TITLE", drawing.title);
  into.set("DESCRIPTION", drawing.description);
  into.set("WIDTH", at(drawing.width));
  into.set("HEIGHT", at(drawing.height));
  fill_shapes(drawing, into);
  for (const Drawing::Text& text : drawing.texts) {
    Slots shape = into.section("LABEL");
    shape.set("X", at(text.x));
    shape.set("Y", at(text.y));
    shape.set("ANCHOR", text.anchor);
    if (text.turned) {
      shape.show("TURNED");
    }
    set_text(text, drawing, shape);
  }
  if (drawing.keys.size() > 1) {
    const Slots legend = into.section("LEGEND");
    for (const Drawing::Key& key : drawing.keys) {
      Slots entry = legend.section("KEY");
      entry.set("INK", key.ink);
      entry.set_name("NAME", key.name);
    }
  }
}

}  // namespace mld
