# A checkout that holds other text than Flux reads.
echo '/experiments/**/*.new working-tree-encoding=UTF-16' > .gitattributes
