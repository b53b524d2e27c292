// Texts in commands that a person copies from a page.
#pragma once

#include <string>

namespace mld {

// A word of a POSIX shell's command line: quoted unless it is plain.
std::string shell_word(const std::string& text);

}  // namespace mld
