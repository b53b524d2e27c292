# Writes a C++ source with the text of every template: cmake -DOUT=FILE.cpp -P embed.cmake TEMPLATES
# come as the list TEMPLATES. The programs need no file of their own at run time.
set(source "// Made by app/report/embed.cmake from the files beside it.\n")
string(APPEND source "#include \"app/report/templates.h\"\n\nnamespace mld {\n\n")
string(APPEND source "static const TemplateFile kFiles[] = {\n")
foreach(file ${TEMPLATES})
  get_filename_component(name ${file} NAME)
  file(READ ${file} text)
  string(APPEND source "{\"${name}\", R\"template(${text})template\"},\n")
endforeach()
string(APPEND source "};\nconst std::span<const TemplateFile> kTemplateFiles = kFiles;\n")
string(APPEND source "\n}  // namespace mld\n")
file(WRITE ${OUT} "${source}")
