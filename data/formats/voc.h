// PASCAL VOC annotations: one XML file per picture, lists of ids in ImageSets/Main.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mld {

// One <object> of an annotation; its <part>s (head, hand, foot) are not objects.
struct VocObject {
  std::string name;
  bool difficult = false;
};

// The objects of one annotation file in file order. `name` starts messages.
// Errors: DataError with the line for malformed XML, a root other than <annotation>, an object
// without a name or with a difficult flag other than 0 or 1.
std::vector<VocObject> parse_voc(std::string_view xml, const std::string& name);

}  // namespace mld
