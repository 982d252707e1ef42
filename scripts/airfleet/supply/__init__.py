"""What a release is made of, for those who mirror, sign, scan and approve it.

images.py   the images of a rendering, and where a mirror has them
package.py  the chart as an archive: the same bytes from the same files
sbom.py     CycloneDX: the chart, its images, and the Python packages of the project's image
"""
