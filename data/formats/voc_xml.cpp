// One VOC annotation, read with pugixml.
#include <algorithm>

#include <pugixml.hpp>

#include "core/error.h"
#include "data/formats/voc.h"
#include "data/text.h"

namespace mld {

static int64_t line_of(std::string_view text, ptrdiff_t offset) {
  const size_t end = std::min(text.size(), static_cast<size_t>(std::max<ptrdiff_t>(offset, 0)));
  return 1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(end), '\n');
}

std::vector<VocObject> parse_voc(std::string_view xml, const std::string& name) {
  pugi::xml_document document;
  const pugi::xml_parse_result result = document.load_buffer(
      xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8);
  require<DataError>(result, "{}:{}: malformed XML: {}", name, line_of(xml, result.offset),
                     result.description());
  const pugi::xml_node root = document.child("annotation");
  require<DataError>(root, "{}:1: no <annotation> element, expected a VOC annotation", name);
  std::vector<VocObject> objects;
  for (const pugi::xml_node object : root.children("object")) {
    const auto line = [&] { return line_of(xml, object.offset_debug()); };
    const std::string_view label = trimmed(object.child("name").text().get());
    require<DataError>(!label.empty(), "{}:{}: object without a <name>", name, line());
    const std::string_view difficult = trimmed(object.child("difficult").text().get());
    require<DataError>(difficult.empty() || difficult == "0" || difficult == "1",
                       "{}:{}: <difficult> is '{}', expected 0 or 1", name, line(),
                       printable(difficult));
    objects.push_back({std::string(label), difficult == "1"});
  }
  return objects;
}

}  // namespace mld
