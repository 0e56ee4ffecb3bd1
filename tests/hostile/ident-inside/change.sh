# The same by ident, in a folder.
echo '* ident' > environments/.gitattributes
