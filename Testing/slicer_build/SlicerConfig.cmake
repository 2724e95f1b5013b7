# A stand-in for a Slicer build tree: just enough of what an extension's CMakeLists.txt calls to see that it configures, that
# every listed file exists and is packed, and what the Extensions Manager would be told. It is not Slicer.

set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/use.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/description.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/nothing.cmake")
set(Slicer_FOUND TRUE)
