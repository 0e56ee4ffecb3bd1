# The same, in a folder.
echo '*' > environments/staging/training/.sourceignore
